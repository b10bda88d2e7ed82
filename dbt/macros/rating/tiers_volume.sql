{#-
    The tiers of charges with every unit of the period at the price of the tier that their number reaches.
    `charges`: see tiers_graduated. One row for each charge with a unit or a flat amount.
-#}
{% macro tiers_volume(charges) -%}
select
    charge_id,
    account_id,
    tier_index,
    cast(units - units_before as decimal(38, 12)) as quantity,
    unit_amount,
    {{ flat_of_tier() }} as flat_amount
from (
    {{ tier_reached(charges) }}
) as reached
where units <> units_before or (is_unused and version_number = 1)
{%- endmacro %}
