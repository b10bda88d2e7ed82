{{ config(materialized='ephemeral') }}
-- Grain: charge of int_charge_quantities in a billing period that is billed in parts (rated_charge_id), and part
-- whose line it takes part in (charge_id): added to the part that it is rated up to the end of, and taken off
-- the next one (DECISIONS D62).
with

ratings as (
    select *, rated_statement_id as instant_id, 1 as sign
    from {{ ref('int_statement_parts') }}
    union all
    select *, less_statement_id as instant_id, -1 as sign
    from {{ ref('int_statement_parts') }}
    where less_statement_id is not null
)

select
    charges.charge_id as rated_charge_id,
    {{ charge_id(
        'ratings.statement_id', 'charges.plan_version', 'charges.charge_key', 'charges.meter_id', "'usage'"
    ) }} as charge_id,
    ratings.sign,
    ratings.statement_id,
    charges.account_id,
    charges.subscription_id,
    charges.plan_id,
    charges.plan_version,
    charges.charge_key,
    charges.meter_id,
    ratings.period_start,
    ratings.period_end,
    charges.quantity,
    charges.percentage_discount,
    charges.stripe_event_name
from {{ ref('int_charge_quantities') }} as charges
{{ semi_join_touched_accounts() }}
inner join ratings on charges.statement_id = ratings.instant_id
