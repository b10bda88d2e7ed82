{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: one billing period of a subscription, from the one in which it started to the one after
-- the as-of time (periods after its end take corrections; the last one only if every other is
-- approved). Every boundary is counted from the same anchor, so the 31st becomes the 28th in
-- February and the 31st again in March. Boundaries are wall-clock times of the account's zone.
with

subscriptions as (
    select
        *,
        started_at at time zone timezone as started_local,
        {{ as_of() }} as as_of
    from {{ ref('int_billing_anchors') }}
    {{ semi_join_touched_accounts() }}
    where started_at <= {{ as_of() }}
),

numbered as (
    select
        *,
        unnest(range(
            date_diff('month', anchor_local, started_local) // months - 2,
            date_diff('month', anchor_local, as_of at time zone timezone) // months + 3
        )) as period_number
    from subscriptions
),

-- Subscriptions share their anchors and zones, so few periods differ: each is worked out and written as text once.
periods as (
    select
        *,
        strftime(period_start at time zone timezone, '%Y-%m') as period,
        {{ utc_text('period_start') }} as start_text
    from (
        select
            *,
            (
                anchor_local + to_months(cast((period_number - 1) * months as integer))
            ) at time zone timezone as previous_start,
            (anchor_local + to_months(cast(period_number * months as integer))) at time zone timezone
                as period_start,
            (
                anchor_local + to_months(cast((period_number + 1) * months as integer))
            ) at time zone timezone as period_end
        from (select distinct anchor_local, timezone, months, period_number from numbered) as every_period
    ) as bounded
)

select
    {{ statement_id('numbered.subscription_id', 'periods.period_start', 'periods.start_text') }} as statement_id,
    numbered.subscription_id,
    numbered.account_id,
    numbered.plan_id,
    periods.period,
    periods.period_start,
    periods.period_end,
    periods.period_end <= numbered.as_of as is_closed,
    greatest(periods.period_start, numbered.started_at) <= numbered.as_of
    and (numbered.ended_at is null or periods.period_start < numbered.ended_at) as is_subscribed
from numbered
inner join periods using (anchor_local, timezone, months, period_number)
where
    periods.period_end > numbered.started_at
    and (periods.period_start <= numbered.as_of or periods.previous_start <= numbered.as_of)
