{#- The part of a DECIMAL(38,16) behind the point as HUGEINT count of 10^-16, with the number's sign. -#}
{% macro fraction_units(number) -%}
    cast(cast(({{ number }}) - trunc({{ number }}) as decimal(38, 16)) * 10000000000000000 as hugeint)
{%- endmacro %}
