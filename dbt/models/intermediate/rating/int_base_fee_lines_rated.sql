{{ config(materialized='ephemeral') }}
-- Grain: statement and plan version with a base amount: its part of the period, by the microsecond.
-- On a yearly plan the annual discount is taken off the amount first.
with

fees as (
    select
        plan_id,
        plan_version,
        currency,
        {{ minor_factor('currency') }} as minor_factor,
        case
            when billing_interval = 'year' then {{ multiply_exactly(
                'base_amount',
                'cast((100 - annual_discount_percent) * cast(0.01 as decimal(18, 2)) as decimal(38, 18))'
            ) }}
            else base_amount
        end as full_amount
    from {{ ref('stg_pricebook__versions') }}
    where base_amount <> 0
),

time_in_force as (
    select
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        period_start,
        period_end,
        cast(sum(epoch_us(segment_end) - epoch_us(segment_start)) as bigint) as microseconds
    from {{ ref('int_billing_segments') }}
    {{ semi_join_touched_accounts() }}
    semi join fees using (plan_id, plan_version)
    group by all
),

prorated as (
    select
        *,
        {{ prorate_exactly(
            'full_amount', 'microseconds', '(epoch_us(period_end) - epoch_us(period_start))'
        ) }} as amount
    from time_in_force
    inner join fees using (plan_id, plan_version)
)

select
    {{ charge_id(
        'statement_id', 'plan_version', "'base_fee'", 'null', "'base_fee'"
    ) }} as charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    period_start,
    period_end,
    currency,
    amount,
    {{ to_minor('amount', 'currency', 'minor_factor') }} as amount_minor
from prorated
