{#- A HUGEINT count of 10^-18 as DECIMAL(38,18); the inverse of scale_to_integer. -#}
{% macro scale_from_integer(integer) -%}
    cast(
        cast(({{ integer }}) // 1000000000000000000 as decimal(38, 18))
        + cast(({{ integer }}) % 1000000000000000000 as decimal(38, 0)) * cast(0.000000000000000001 as decimal(18, 18))
    as decimal(38, 18))
{%- endmacro %}
