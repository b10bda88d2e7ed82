{{ config(materialized='ephemeral') }}
-- Grain: one subscription that lasts longer than nothing, of an account and a plan that are known (others:
-- int_subscription_issues): the wall-clock time of its account's zone from which its billing periods are
-- counted, and how many months one has (DECISIONS D47). And one of which the ledger has approvals, but which
-- is no longer any of those: it lasts nothing from its last approved period on, so nothing of it is rated,
-- but its next period takes the corrections that give its statements back (DECISIONS D65).
with

first_versions as (
    select plan_id, arg_min(billing_interval, valid_from) as billing_interval
    from {{ ref('stg_pricebook__versions') }}
    group by plan_id
),

known as (
    select
        subscriptions.subscription_id,
        subscriptions.account_id,
        subscriptions.plan_id,
        subscriptions.started_at,
        subscriptions.ended_at,
        accounts.timezone,
        case first_versions.billing_interval when 'year' then 12 else 1 end as months,
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
    inner join first_versions using (plan_id)
    where subscriptions.ended_at is null or subscriptions.ended_at > subscriptions.started_at
),

approved as (
    select
        subscription_id,
        arg_max(account_id, period_end) as account_id,
        arg_max(period_start, period_end) as last_start,
        max(period_end) as last_end
    from {{ ref('stg_ledger__approvals') }}
    group by subscription_id
)

select * from known
union all
select
    approved.subscription_id,
    approved.account_id,
    '' as plan_id,
    approved.last_start as started_at,
    approved.last_start as ended_at,
    coalesce(accounts.timezone, 'UTC') as timezone,
    case when approved.last_end > approved.last_start + interval 32 days then 12 else 1 end as months,
    approved.last_start at time zone coalesce(accounts.timezone, 'UTC') as anchor_local
from approved
anti join known on approved.subscription_id = known.subscription_id and known.started_at <= {{ as_of() }}
left join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
