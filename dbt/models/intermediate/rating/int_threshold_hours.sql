{{ config(materialized='table') }}
-- Grain: billing period that may be billed in several parts, instant, plan version and charge: what the charge
-- came to by then, before discounts, exact; also where that is nothing.
with

amounts as (
    {{ charge_hour_amounts(ref('int_threshold_charge_hours'), ended_only=true) }}
),

instants as (
    select distinct statement_id, reached_at
    from {{ ref('int_threshold_charge_hours') }}
),

charges as (
    select distinct
        statement_id,
        plan_version,
        charge_key,
        meter_id,
        percentage_discount,
        currency
    from amounts
)

select
    instants.statement_id,
    instants.reached_at,
    charges.plan_version,
    charges.charge_key,
    charges.meter_id,
    charges.percentage_discount,
    charges.currency,
    coalesce(amounts.amount, cast(0 as decimal(38, 18))) as amount
from instants
inner join charges using (statement_id)
left join amounts using (statement_id, reached_at, plan_version, charge_key, meter_id)
