{#-
    The tiers of charges with each unit at the price of the tier it falls in; `up_to` belongs to its tier.
    `charges` is a relation or CTE with the columns of int_charge_quantities that say which charge it is
    (charge_id, account_id, plan_id, plan_version, charge_key, zero_usage, version_number) and which units
    it has: billable_quantity of them after the first billable_before of the period, which has
    billable_in_period. One row for each charge and tier with a unit or a flat amount.
-#}
{% macro tiers_graduated(charges) -%}
select
    charge_id,
    account_id,
    tier_index,
    cast(units - units_before as decimal(38, 12)) as quantity,
    unit_amount,
    {{ flat_of_tier() }} as flat_amount
from (
    select
        charges.charge_id,
        charges.account_id,
        charges.version_number,
        tiers.tier_index,
        tiers.unit_amount,
        tiers.flat_amount,
        {{ units_in_tier('charges.billable_before') }} as units_before,
        {{ units_in_tier('charges.billable_before + charges.billable_quantity') }} as units,
        charges.billable_in_period = 0 and charges.zero_usage = 'charge_first_tier_flat' as is_unused
    from {{ charges }} as charges
    inner join {{ ref('int_price_tiers') }} as tiers using (plan_id, plan_version, charge_key)
) as shares
where units <> units_before or (is_unused and tier_index = 1 and version_number = 1)
{%- endmacro %}
