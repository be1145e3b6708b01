{% for environment in values.environments %}
module "${{ environment }}" {
  source      = "./"
  name        = ${{ values.name | dump }}
  environment = ${{ environment | dump }}
  {% if environment == "prod" %}

  # Two people approve changes of production.
  {% endif %}
}
{% if not loop.last %}

{% endif %}
{% endfor %}
