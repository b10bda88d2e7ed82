{#- A list of decimals as a list of texts without trailing zeros; null stays null. -#}
{% macro plain_decimals(values) -%}
    list_transform({{ values }}, lambda value: {{ plain_decimal('value') }})
{%- endmacro %}
