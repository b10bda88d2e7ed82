{{ config(materialized='table') }}
-- Grain: one billing period of a subscription, from the one in which it started to the one after
-- the as-of time (periods after its end take corrections; the last one only if every other is
-- approved). Every boundary is counted from the same anchor, so the 31st becomes the 28th in
-- February and the 31st again in March. Boundaries are wall-clock times of the account's zone.
with

first_versions as (
    select plan_id, arg_min(billing_interval, valid_from) as billing_interval
    from {{ ref('stg_pricebook__versions') }}
    group by plan_id
),

subscriptions as (
    select
        subscriptions.subscription_id,
        subscriptions.account_id,
        subscriptions.plan_id,
        subscriptions.started_at,
        subscriptions.ended_at,
        accounts.timezone,
        case first_versions.billing_interval when 'year' then 12 else 1 end as months,
        subscriptions.started_at at time zone accounts.timezone as started_local,
        {{ as_of() }} as as_of,
        coalesce(
            cast(subscriptions.billing_anchor_date as timestamp),
            subscriptions.billing_anchor_at at time zone accounts.timezone,
            case first_versions.billing_interval
                when
                    'year'
                    then date_trunc('year', subscriptions.started_at at time zone accounts.timezone)
                else date_trunc('month', subscriptions.started_at at time zone accounts.timezone)
            end
        ) as anchor_local
    from {{ ref('stg_accounts__subscriptions') }} as subscriptions
    inner join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
    left join first_versions using (plan_id)
    where
        subscriptions.started_at <= {{ as_of() }}
        and (subscriptions.ended_at is null or subscriptions.ended_at > subscriptions.started_at)
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
