{#-
    The tier that all the units of the period reach, one row for each charge; the first one when there are
    none. With units and units_before: how many units of the period there are at the end and before.
-#}
{% macro tier_reached(charges) -%}
select
        charges.charge_id,
        charges.account_id,
        charges.version_number,
        tiers.tier_index,
        tiers.unit_amount,
        tiers.flat_amount,
        tiers.package_size,
        tiers.package_amount,
        tiers.package_rounding,
        cast(greatest(charges.billable_before, 0) as decimal(38, 12)) as units_before,
        cast(greatest(charges.billable_before + charges.billable_quantity, 0) as decimal(38, 12)) as units,
        charges.billable_in_period = 0 and charges.zero_usage = 'charge_first_tier_flat' as is_unused
    from {{ charges }} as charges
    inner join {{ ref('int_price_tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
        and (tiers.up_to is null or charges.billable_in_period <= tiers.up_to)
        and (charges.billable_in_period > tiers.from_quantity or tiers.tier_index = 1)
{%- endmacro %}
