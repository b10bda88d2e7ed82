{% macro whole_part(number) -%}
    cast(trunc({{ number }}) as decimal(38, 0))
{%- endmacro %}
