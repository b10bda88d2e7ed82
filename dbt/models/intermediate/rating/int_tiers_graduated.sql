{{ config(materialized='ephemeral') }}
-- Grain: charge and tier; the model `graduated`: each unit at the price of the tier it falls in.
-- `up_to` belongs to its tier. The flat amount of a tier is owed once it holds a unit, once a
-- period; without any unit the first one is owed, unless zero_usage says no_charge.
with

shares as (
    select
        charges.charge_id,
        charges.account_id,
        charges.billable_before,
        charges.billable_in_period,
        charges.version_number,
        charges.zero_usage,
        tiers.tier_index,
        tiers.from_quantity,
        tiers.unit_amount,
        tiers.flat_amount,
        cast(greatest(
            least(
                charges.billable_before + charges.billable_quantity,
                coalesce(tiers.up_to, charges.billable_before + charges.billable_quantity)
            ) - greatest(charges.billable_before, tiers.from_quantity),
            cast(0 as decimal(38, 12))
        ) as decimal(38, 12)) as quantity
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('stg_pricebook__tiers') }} as tiers using (plan_id, plan_version, charge_key)
    where charges.model = 'graduated'
),

reached as (
    select
        *,
        billable_in_period = 0 and version_number = 1 and tier_index = 1
        and zero_usage = 'charge_first_tier_flat' as is_unused_charge
    from shares
)

select
    charge_id,
    account_id,
    tier_index,
    quantity,
    unit_amount,
    case
        when is_unused_charge or billable_before <= from_quantity then flat_amount
        else cast(0 as decimal(38, 18))
    end as flat_amount
from reached
where quantity > 0 or is_unused_charge
