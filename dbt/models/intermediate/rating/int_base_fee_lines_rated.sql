{{ config(materialized='ephemeral') }}
-- Grain: statement and plan version with a base amount: its part of the period, by the microsecond.
-- On a yearly plan the annual discount is taken off the amount first. Of a period that is billed in parts it
-- stands in the last one (DECISIONS D62).
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
    from {{ ref('int_price_versions') }}
    where base_amount <> 0
),

segments as (
    select
        coalesce(parts.statement_id, segments.statement_id) as statement_id,
        segments.account_id,
        segments.subscription_id,
        segments.plan_id,
        segments.plan_version,
        coalesce(parts.period_start, segments.period_start) as period_start,
        segments.period_end,
        epoch_us(segments.segment_start) - epoch_us(segments.period_start) as us_before,
        epoch_us(segments.segment_end) - epoch_us(segments.period_start) as us_until,
        epoch_us(segments.period_end) - epoch_us(segments.period_start) as period_us
    from {{ ref('int_billing_segments') }} as segments
    {{ semi_join_touched_accounts() }}
    semi join fees using (plan_id, plan_version)
    left join {{ ref('int_statement_parts') }} as parts
        on segments.statement_id = parts.billing_period_id and parts.is_last_part
),

-- A part is what is owed up to its end less what is owed up to its start, so that the parts of a fee add
-- up to it to the last digit, however a period is cut and whichever subscriptions share it.
prorated as (
    select
        segments.statement_id,
        segments.account_id,
        segments.subscription_id,
        segments.plan_id,
        segments.plan_version,
        segments.period_start,
        segments.period_end,
        fees.currency,
        fees.minor_factor,
        cast(sum(
            {{ prorate_exactly('fees.full_amount', 'segments.us_until', 'segments.period_us') }}
            - {{ prorate_exactly('fees.full_amount', 'segments.us_before', 'segments.period_us') }}
        ) as decimal(38, 18)) as amount
    from segments
    inner join fees using (plan_id, plan_version)
    group by all
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
