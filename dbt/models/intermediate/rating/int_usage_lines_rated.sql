{{ config(materialized='ephemeral') }}
-- Grain: one charge with usage, or with a price for none: the line before discounts. In a period that is billed
-- in parts one for each part (DECISIONS D62).
with

versions as (
    select plan_id, plan_version, currency, {{ minor_factor('currency') }} as minor_factor
    from {{ ref('int_price_versions') }}
),

priced as (
    select charge_id, cast(sum(amount) as decimal(38, 18)) as amount
    from {{ ref('int_charge_tiers') }}
    {{ semi_join_touched_accounts() }}
    group by charge_id
),

parts as (
    select * from {{ ref('int_charges_in_parts') }}
),

charges as (
    select
        charges.charge_id,
        charges.statement_id,
        charges.account_id,
        charges.subscription_id,
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.meter_id,
        charges.period_start,
        charges.period_end,
        charges.quantity,
        charges.percentage_discount,
        charges.stripe_event_name
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    anti join parts on charges.charge_id = parts.rated_charge_id
    union all
    select
        charge_id,
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        cast(sum(sign * quantity) as decimal(38, 12)) as quantity,
        percentage_discount,
        stripe_event_name
    from parts
    group by all
)

select
    charges.charge_id,
    charges.statement_id,
    charges.account_id,
    charges.subscription_id,
    charges.plan_id,
    charges.plan_version,
    charges.charge_key,
    charges.meter_id,
    charges.period_start,
    charges.period_end,
    charges.quantity,
    charges.percentage_discount,
    charges.stripe_event_name,
    versions.currency,
    versions.minor_factor,
    priced.amount,
    {{ to_minor('priced.amount', 'versions.currency', 'versions.minor_factor') }} as amount_minor
from charges
inner join versions using (plan_id, plan_version)
inner join priced using (charge_id)
where charges.quantity <> 0 or priced.amount <> 0
