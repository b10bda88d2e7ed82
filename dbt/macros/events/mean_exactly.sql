{#-
    (whole + fraction * 10^-16) / divisor as DECIMAL(38,12), rounded once, half away from zero; on
    integers, because DuckDB's quotient of decimals is a DOUBLE. `whole` and `fraction` are HUGEINT of
    any sign, also of different ones; `divisor` is above zero and below 10^14. DuckDB's // and %
    round towards zero.

    With whole = quotient * divisor + rest, all that is left to divide is rest * 10^16 + fraction;
    in units of the twelfth place it is `places` and a remainder below one of them.
-#}
{% macro mean_exactly(whole, fraction, divisor) -%}
    {%- set divisor_h = 'cast(' ~ divisor ~ ' as hugeint)' -%}
    {%- set left = '(((' ~ whole ~ ') % ' ~ divisor_h ~ ') * 10000000000000000 + (' ~ fraction ~ '))' -%}
    {%- set unit = '(' ~ divisor_h ~ ' * 10000)' -%}
    {%- set cut = '(((' ~ whole ~ ') // ' ~ divisor_h ~ ') * 1000000000000 + ' ~ left ~ ' // ' ~ unit ~ ')' -%}
    {%- set remainder = '(' ~ left ~ ' % ' ~ unit ~ ')' -%}
    {%- set rounded -%}
        ({{ cut }} + case
            when {{ cut }} > 0 or ({{ cut }} = 0 and {{ remainder }} >= 0) then
                case when {{ remainder }} * 2 >= {{ unit }} then 1 when {{ remainder }} * 2 < -{{ unit }} then -1 else 0 end
            else
                case when {{ remainder }} * 2 <= -{{ unit }} then -1 when {{ remainder }} * 2 > {{ unit }} then 1 else 0 end
        end)
    {%- endset -%}
    cast(
        cast({{ rounded }} // 1000000000000 as decimal(38, 12))
        + cast({{ rounded }} % 1000000000000 as decimal(38, 0)) * cast(0.000000000001 as decimal(12, 12))
    as decimal(38, 12))
{%- endmacro %}
