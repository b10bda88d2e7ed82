{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: charge and tier, with its exact amount. Tier 0 is what the charge's included quantity
-- covers, so that the tiers of a charge always account for all of its quantity. A charge model is
-- one int_tiers_<model> with these six columns; a new one is added here, and its macro in charge_hour_amounts.
-- Of a period that is billed in parts each part has what the period came to by its end less what it came to by
-- its start, tier by tier (DECISIONS D62).
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
),

rated as (
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
),

parts as (
    select * from {{ ref('int_charges_in_parts') }}
)

select *
from rated
anti join parts on rated.charge_id = parts.rated_charge_id
union all
select
    parts.charge_id,
    rated.account_id,
    rated.tier_index,
    cast(sum(parts.sign * rated.quantity) as decimal(38, 12)) as quantity,
    rated.unit_amount,
    cast(sum(parts.sign * rated.flat_amount) as decimal(38, 18)) as flat_amount,
    cast(sum(parts.sign * rated.amount) as decimal(38, 18)) as amount
from rated
inner join parts on rated.charge_id = parts.rated_charge_id
group by parts.charge_id, rated.account_id, rated.tier_index, rated.unit_amount
having sum(parts.sign * rated.quantity) <> 0 or sum(parts.sign * rated.amount) <> 0
