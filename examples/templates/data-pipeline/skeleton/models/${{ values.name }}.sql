select * from {{ ref('orders') }}
{% if is_incremental() %} where day > ${{ last_day }} {% endif %}
