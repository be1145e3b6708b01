export const ${{ values.name | upper }} = ${{ values.dependencies | dump }};
