{#-
    The product of two decimals of at most 18 places, exact and then rounded once, half away from
    zero, to DECIMAL(38,18). DuckDB's own product of two DECIMAL(38,18) has 36 places and so only two
    digits left of the point; cut into whole part and fraction, every partial product fits and only
    the last one (fraction times fraction, below 1) needs rounding. All four have the same sign, so
    rounding that one rounds the sum. A product of 10^20 or more raises an overflow error.
-#}
{% macro multiply_exactly(left_operand, right_operand) -%}
    {%- set left_whole = whole_part(left_operand) -%}
    {%- set right_whole = whole_part(right_operand) -%}
    {%- set left_fraction = 'cast((' ~ left_operand ~ ') - ' ~ left_whole ~ ' as decimal(19, 18))' -%}
    {%- set right_fraction = 'cast((' ~ right_operand ~ ') - ' ~ right_whole ~ ' as decimal(19, 18))' -%}
    cast(
        {{ left_whole }} * {{ right_whole }}
        + {{ left_whole }} * {{ right_fraction }}
        + {{ left_fraction }} * {{ right_whole }}
        + cast({{ left_fraction }} * {{ right_fraction }} as decimal(38, 18))
    as decimal(38, 18))
{%- endmacro %}
