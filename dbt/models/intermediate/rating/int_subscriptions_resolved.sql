{{ config(materialized='ephemeral') }}
-- Grain: one stretch of time during which one subscription of an account is the one that rates its
-- usage. Where subscriptions of an account overlap, the one that started last is in force, so that
-- no usage is ever rated twice.
with

subscriptions as (
    select
        subscription_id,
        account_id,
        plan_id,
        started_at,
        coalesce(ended_at, timestamptz '9999-01-01 00:00:00+00') as ended_at
    from {{ ref('stg_accounts__subscriptions') }}
    {{ semi_join_touched_accounts() }}
    where started_at < coalesce(ended_at, timestamptz '9999-01-01 00:00:00+00')
        and started_at <= {{ as_of() }}
),

boundaries as (
    select account_id, started_at as boundary from subscriptions
    union
    select account_id, ended_at as boundary from subscriptions
),

stretches as (
    select
        account_id,
        boundary as stretch_start,
        lead(boundary) over (partition by account_id order by boundary) as stretch_end
    from boundaries
),

in_force as (
    select
        stretches.account_id,
        subscriptions.subscription_id,
        subscriptions.plan_id,
        stretches.stretch_start,
        stretches.stretch_end
    from stretches
    inner join subscriptions
        on stretches.account_id = subscriptions.account_id
        and stretches.stretch_start >= subscriptions.started_at
        and stretches.stretch_end <= subscriptions.ended_at
    qualify row_number() over (
            partition by stretches.account_id, stretches.stretch_start
            order by subscriptions.started_at desc, subscriptions.subscription_id desc
        ) = 1
),

numbered as (
    select
        *,
        row_number() over (partition by account_id order by stretch_start)
        - row_number()
            over (partition by account_id, subscription_id order by stretch_start)
            as island
    from in_force
)

-- A gap inside an island means the subscription itself ended, which it does once: islands have
-- none.
select
    account_id,
    subscription_id,
    plan_id,
    min(stretch_start) as in_force_start,
    max(stretch_end) as in_force_end
from numbered
group by account_id, subscription_id, plan_id, island
