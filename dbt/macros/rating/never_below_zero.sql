{#-
    The rows of `relation`, with the `quantity` of each of a statement's plan versions (version_start) of one
    charge and meter such that what is below zero (a correction) takes back what earlier versions had, and
    the period as a whole is never below zero (DECISIONS D37).
-#}
{% macro never_below_zero(relation) -%}
select
    * exclude (quantity, quantity_so_far, quantity_left),
    cast(quantity_left - coalesce(lag(quantity_left) over (
        partition by statement_id, charge_key, meter_id
        order by version_start
    ), 0) as decimal(38, 12)) as quantity
from (
    -- What is left of the quantity so far once every later correction has taken its part.
    select
        *,
        greatest(min(quantity_so_far) over (
            partition by statement_id, charge_key, meter_id
            order by version_start
            rows between current row and unbounded following
        ), 0) as quantity_left
    from (
        select
            *,
            sum(quantity) over (
                partition by statement_id, charge_key, meter_id
                order by version_start
            ) as quantity_so_far
        from {{ relation }}
    ) as so_far
) as left_of_it
{%- endmacro %}
