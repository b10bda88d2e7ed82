{{ config(materialized='ephemeral') }}
-- Grain: one charge with usage, or with a price for none: the line before discounts.
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
from {{ ref('int_charge_quantities') }} as charges
{{ semi_join_touched_accounts() }}
inner join versions using (plan_id, plan_version)
inner join priced using (charge_id)
where charges.quantity <> 0 or priced.amount <> 0
