{{ config(materialized='ephemeral') }}
-- Grain: charge and tier; the model `standard`: every unit at one price.
select
    charges.charge_id,
    charges.account_id,
    tiers.tier_index,
    charges.billable_quantity as quantity,
    tiers.unit_amount,
    cast(0 as decimal(38, 18)) as flat_amount
from {{ ref('int_charge_quantities') }} as charges
{{ semi_join_touched_accounts() }}
inner join {{ ref('stg_pricebook__tiers') }} as tiers using (plan_id, plan_version, charge_key)
where charges.model = 'standard' and charges.billable_quantity <> 0
