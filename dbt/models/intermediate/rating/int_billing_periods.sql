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

bounded as (
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
    from numbered
)

select
    {{ statement_id('subscription_id', 'period_start') }} as statement_id,
    subscription_id,
    account_id,
    plan_id,
    strftime(period_start at time zone timezone, '%Y-%m') as period,
    period_start,
    period_end,
    period_end <= as_of as is_closed,
    greatest(period_start, started_at) <= as_of
    and (ended_at is null or period_start < ended_at) as is_subscribed
from bounded
where period_end > started_at and (period_start <= as_of or previous_start <= as_of)
