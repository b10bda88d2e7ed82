{{ config(materialized='ephemeral') }}
-- Grain: charge and tier; the model `volume`: every unit of the period at the price of the tier
-- that their number reaches, whose flat amount is owed once. Without any unit the first tier's flat
-- amount is owed, unless zero_usage says no_charge.
with

reached as (
    select
        charges.charge_id,
        charges.account_id,
        charges.billable_quantity,
        charges.billable_before,
        tiers.tier_index,
        tiers.unit_amount,
        tiers.flat_amount,
        charges.billable_in_period = 0 and charges.version_number = 1
        and charges.zero_usage = 'charge_first_tier_flat' as is_unused_charge
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('stg_pricebook__tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
        and (tiers.up_to is null or charges.billable_in_period <= tiers.up_to)
        and (charges.billable_in_period > tiers.from_quantity or tiers.tier_index = 1)
    where charges.model = 'volume'
)

select
    charge_id,
    account_id,
    tier_index,
    billable_quantity as quantity,
    unit_amount,
    case
        when is_unused_charge or billable_before = 0 then flat_amount
        else cast(0 as decimal(38, 18))
    end as flat_amount
from reached
where billable_quantity > 0 or is_unused_charge
