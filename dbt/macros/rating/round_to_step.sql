{#-
    A quantity rounded to a multiple of `step` (1, 0.1, 0.01, ...) as `mode` says: up and half_up away
    from zero, down towards it; any other mode, and null, leave it as it is. DECIMAL(38,12).
-#}
{% macro round_to_step(quantity, mode, step) -%}
    cast(
        case
            when coalesce({{ mode }}, 'none') not in ('up', 'down', 'half_up')
                then cast({{ quantity }} as decimal(38, 12))
            else cast(
                {{ quantity }} - {{ quantity }} % {{ step }}
                + case
                    when {{ mode }} = 'up' and {{ quantity }} % {{ step }} <> 0
                        then cast({{ step }} * sign({{ quantity }}) as decimal(38, 12))
                    when {{ mode }} = 'half_up' and abs({{ quantity }} % {{ step }}) * 2 >= {{ step }}
                        then cast({{ step }} * sign({{ quantity }}) as decimal(38, 12))
                    else cast(0 as decimal(38, 12))
                end
            as decimal(38, 12))
        end
    as decimal(38, 12))
{%- endmacro %}
