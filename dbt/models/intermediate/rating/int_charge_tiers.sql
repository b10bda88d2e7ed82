{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: charge and tier, with its exact amount. Tier 0 is what the charge's included quantity
-- covers, so that the tiers of a charge always account for all of its quantity. A charge model is
-- one int_tiers_<model> with these six columns; a new one is added here, and its macro in int_gate_hours.
with

included as (
    select
        charge_id,
        account_id,
        cast(0 as integer) as tier_index,
        included_applied as quantity,
        cast(0 as decimal(38, 18)) as unit_amount,
        cast(0 as decimal(38, 18)) as flat_amount
    from {{ ref('int_charge_quantities') }}
    {{ semi_join_touched_accounts() }}
    where included_applied <> 0
),

tiers as (
    select * from included
    union all
    select * from {{ ref('int_tiers_standard') }}
    union all
    select * from {{ ref('int_tiers_graduated') }}
    union all
    select * from {{ ref('int_tiers_volume') }}
    union all
    select * from {{ ref('int_tiers_package') }}
    union all
    select * from {{ ref('int_tiers_graduated_package') }}
    union all
    select * from {{ ref('int_tiers_volume_package') }}
    union all
    select * from {{ ref('int_tiers_graduated_percentage') }}
    union all
    select * from {{ ref('int_tiers_percentage') }}
    union all
    select * from {{ ref('int_tiers_dynamic') }}
)

select
    charge_id,
    account_id,
    cast(tier_index as integer) as tier_index,
    quantity,
    unit_amount,
    flat_amount,
    cast({{ multiply_exactly('quantity', 'unit_amount') }} + flat_amount as decimal(38, 18))
        as amount
from tiers
