{#- A decimal as text without trailing zeros, for evidence: 4096.000000000000 prints as 4096. -#}
{% macro plain_decimal(value) -%}
    rtrim(rtrim(cast(cast({{ value }} as decimal(38, 12)) as varchar), '0'), '.')
{%- endmacro %}
