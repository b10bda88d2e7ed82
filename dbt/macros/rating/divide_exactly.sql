{#-
    A quantity divided by a positive factor, as DECIMAL(38,12) rounded half away from zero. Long division
    on integers, six places at a time, so that nothing overflows for quantities below 10^20 and factors
    below 10^14; on the absolute value, so that a quantity below zero is rounded as one above it.
-#}
{% macro divide_exactly(quantity, factor) -%}
    {%- set dividend = scale_to_integer('abs(' ~ quantity ~ ')') -%}
    {%- set divisor = scale_to_integer(factor) -%}
    {%- set rest = '((' ~ dividend ~ ' % ' ~ divisor ~ ') * 1000000)' -%}
    {%- set next_rest = '((' ~ rest ~ ' % ' ~ divisor ~ ') * 1000000)' -%}
    cast(
        case when {{ quantity }} < 0 then -1 else 1 end * cast(
            cast({{ dividend }} // {{ divisor }} as decimal(38, 12))
            + cast({{ rest }} // {{ divisor }} as decimal(38, 0)) * cast(0.000001 as decimal(12, 12))
            + cast(
                {{ next_rest }} // {{ divisor }}
                + case when {{ next_rest }} % {{ divisor }} * 2 >= {{ divisor }} then 1 else 0 end
            as decimal(38, 0)) * cast(0.000000000001 as decimal(12, 12))
        as decimal(38, 12))
    as decimal(38, 12))
{%- endmacro %}
