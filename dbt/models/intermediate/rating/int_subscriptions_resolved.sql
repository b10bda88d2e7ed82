{{ config(materialized='ephemeral') }}
-- Grain: one subscription that has begun: the one stretch of its account's time in which it rates usage,
-- empty if it never does. Where subscriptions of an account overlap, the one that started first is in
-- force until it ends, so that no usage is ever rated twice. (Overlaps inside subscriptions.csv are
-- quarantined before; these are between the file and Stripe. DECISIONS D48.)
with

subscriptions as (
    select
        subscription_id,
        account_id,
        plan_id,
        started_at,
        coalesce(trial_ends_at, started_at) as trial_end,
        coalesce(ended_at, timestamptz '9999-01-01 00:00:00+00') as ended_at
    from {{ ref('stg_accounts__subscriptions') }}
    where started_at < coalesce(ended_at, timestamptz '9999-01-01 00:00:00+00')
        and started_at <= {{ as_of() }}
),

-- All that started earlier together leave no gap between this one's start and the last end of theirs.
earlier as (
    select
        *,
        max(ended_at) over (
            partition by account_id order by started_at, subscription_id
            rows between unbounded preceding and 1 preceding
        ) as others_end
    from subscriptions
)

select
    account_id,
    subscription_id,
    plan_id,
    started_at,
    least(greatest(started_at, coalesce(others_end, started_at)), ended_at) as in_force_start,
    ended_at as in_force_end,
    trial_end
from earlier
