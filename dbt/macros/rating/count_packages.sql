{#-
    How many packages `units` (zero or more) are, DECIMAL(38,0): started ones whole when `rounding` is up,
    full ones only when it is down. Null where there is no size. On integers, below 10^20 units.
-#}
{% macro count_packages(units, size, rounding) -%}
    (
        cast({{ scale_to_integer(units) }} // {{ scale_to_integer(size) }} as decimal(38, 0))
        + case when {{ rounding }} = 'up' and {{ units }} % {{ size }} > 0 then 1 else 0 end
    )
{%- endmacro %}
