{#- A decimal of at most 18 places as a HUGEINT count of 10^-18; exact up to 10^20. -#}
{% macro scale_to_integer(number) -%}
    (
        cast({{ whole_part(number) }} as hugeint) * 1000000000000000000
        + cast(cast(({{ number }}) - {{ whole_part(number) }} as decimal(38, 18)) * 1000000000000000000 as hugeint)
    )
{%- endmacro %}
