{#-
    A quantity times a factor as DECIMAL(38,12), rounded once, half away from zero. As in multiply_exactly
    only the product of the two fractions has more places than the sum can hold; cut off after the
    eighteenth it can neither reach a half of the twelfth place nor fall below one, as rounding it could.
-#}
{% macro multiply_quantity(quantity, factor) -%}
    {%- set whole_quantity = whole_part(quantity) -%}
    {%- set whole_factor = whole_part(factor) -%}
    {%- set quantity_fraction = 'cast((' ~ quantity ~ ') - ' ~ whole_quantity ~ ' as decimal(19, 18))' -%}
    {%- set factor_fraction = 'cast((' ~ factor ~ ') - ' ~ whole_factor ~ ' as decimal(19, 18))' -%}
    {%- set fractions = '(' ~ quantity_fraction ~ ' * ' ~ factor_fraction ~ ')' -%}
    cast(
        {{ whole_quantity }} * {{ whole_factor }}
        + {{ whole_quantity }} * {{ factor_fraction }}
        + {{ quantity_fraction }} * {{ whole_factor }}
        + cast(
            {{ fractions }} - {{ fractions }} % cast(0.000000000000000001 as decimal(38, 36))
            as decimal(38, 18)
        )
    as decimal(38, 12))
{%- endmacro %}
