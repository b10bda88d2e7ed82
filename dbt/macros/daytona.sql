{#- Whether a Daytona organisation is the pool of sandboxes that wait, started, for a customer. -#}
{% macro is_daytona_warm_pool(organization) -%}
    {{ organization }} = '00000000-0000-0000-0000-000000000000'
{%- endmacro %}
