-- Grain: one subscription that has begun (or that the ledger knows), and one thing that keeps it from being
-- rated in all of its time, or in its account's currency, with the time that it is not.
with

subscriptions as (
    select
        subscription_id,
        account_id,
        plan_id,
        started_at,
        ended_at
    from {{ ref('stg_accounts__subscriptions') }}
    where started_at <= {{ as_of() }} and coalesce(started_at < ended_at, true)
),

plans as (
    select plan_id, min(valid_from) as valid_from
    from {{ ref('stg_pricebook__versions') }}
    group by plan_id
)

select
    'subscription_account_unknown' as issue,
    subscriptions.*
from subscriptions
anti join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)

union all

select
    'subscription_plan_unknown' as issue,
    subscriptions.*
from subscriptions
anti join plans using (plan_id)

union all

select
    'subscription_before_plan' as issue,
    subscriptions.subscription_id,
    subscriptions.account_id,
    subscriptions.plan_id,
    subscriptions.started_at,
    least(coalesce(subscriptions.ended_at, plans.valid_from), plans.valid_from) as ended_at
from subscriptions
inner join plans using (plan_id)
where subscriptions.started_at < plans.valid_from

union all

select
    'subscription_overlaps_another' as issue,
    subscription_id,
    account_id,
    plan_id,
    started_at,
    in_force_start as ended_at
from {{ ref('int_subscriptions_resolved') }}
where in_force_start > started_at

union all

select
    issue,
    subscription_id,
    min(account_id) as account_id,
    min(plan_id) as plan_id,
    min(period_start) as started_at,
    max(period_end) as ended_at
from {{ ref('int_statement_price_lists') }}
where issue is not null
group by issue, subscription_id

union all

-- What was approved of it is taken back by corrections (DECISIONS D65).
select
    'approved_subscription_gone' as issue,
    approvals.subscription_id,
    arg_max(approvals.account_id, approvals.period_end) as account_id,
    '' as plan_id,
    min(approvals.period_start) as started_at,
    max(approvals.period_end) as ended_at
from {{ ref('stg_ledger__approvals') }} as approvals
semi join {{ ref('int_billing_anchors') }} as anchors
    on approvals.subscription_id = anchors.subscription_id and anchors.started_at = anchors.ended_at
group by approvals.subscription_id
