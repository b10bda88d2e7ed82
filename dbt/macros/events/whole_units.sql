{#- The part of a DECIMAL(38,16) before the point, towards zero, as HUGEINT. -#}
{% macro whole_units(number) -%}
    cast(trunc({{ number }}) as hugeint)
{%- endmacro %}
