{#- Minor units as an exact amount in major units, DECIMAL(38,18). -#}
{% macro from_minor(amount_minor, currency) -%}
    cast(
        cast({{ amount_minor }} as decimal(38, 0)) * cast(
            case {{ minor_factor(currency) }} when 1 then '1' when 1000 then '0.001' else '0.01' end
        as decimal(4, 3))
    as decimal(38, 18))
{%- endmacro %}
