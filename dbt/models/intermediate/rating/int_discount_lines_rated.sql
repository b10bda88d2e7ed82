{{ config(materialized='ephemeral') }}
-- Grain: one charge with a percentage discount: a line of its own, below zero, beside the charge's.
with

discounted as (
    select
        * exclude (amount, amount_minor),
        cast(-1 * {{ percent_of('amount', 'percentage_discount') }} as decimal(38, 18)) as amount
    from {{ ref('int_usage_lines_rated') }}
    where percentage_discount <> 0 and amount <> 0
)

select
    {{ charge_id(
        'statement_id', 'plan_version', 'charge_key', 'meter_id', "'discount'"
    ) }} as charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    charge_key,
    meter_id,
    period_start,
    period_end,
    currency,
    amount,
    {{ to_minor('amount', 'currency', 'minor_factor') }} as amount_minor
from discounted
