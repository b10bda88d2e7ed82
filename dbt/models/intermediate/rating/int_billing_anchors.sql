{{ config(materialized='ephemeral') }}
-- Grain: one subscription that lasts longer than nothing, of an account and a plan that are known (others:
-- int_subscription_issues): the wall-clock time of its account's zone from which its billing periods are
-- counted, and how many months one has (DECISIONS D47).
with

first_versions as (
    select plan_id, arg_min(billing_interval, valid_from) as billing_interval
    from {{ ref('stg_pricebook__versions') }}
    group by plan_id
)

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
