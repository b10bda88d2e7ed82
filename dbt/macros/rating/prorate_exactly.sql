{#-
    amount * part / whole for integer part and whole (microseconds), rounded once, half away from zero,
    to DECIMAL(38,18). Integers throughout; part = whole gives back the amount itself. With
    n = quotient * whole + rest, n * part / whole is quotient * part + rest * part / whole, and
    rest * part stays below whole squared, which fits. `amount` must not be negative.
-#}
{% macro prorate_exactly(amount, part, whole) -%}
    {%- set scaled = scale_to_integer(amount) -%}
    {%- set rest_times_part = '((' ~ scaled ~ ' % (' ~ whole ~ ')) * (' ~ part ~ '))' -%}
    {{ scale_from_integer(
        '(' ~ scaled ~ ' // (' ~ whole ~ ')) * (' ~ part ~ ')'
        ~ ' + ' ~ rest_times_part ~ ' // (' ~ whole ~ ')'
        ~ ' + case when ' ~ rest_times_part ~ ' % (' ~ whole ~ ') * 2 >= (' ~ whole ~ ') then 1 else 0 end'
    ) }}
{%- endmacro %}
