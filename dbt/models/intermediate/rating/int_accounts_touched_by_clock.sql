{{ config(materialized='ephemeral') }}
-- Grain: one account whose charges may differ from the last build's because the clock moved since:
-- one of the instants at which rating changes lies after the last build's as-of and not after this
-- one's (DECISIONS D30). Usage is found by days.
with

context as (
    select
        previous_as_of as clock_start,
        as_of as clock_end
    from {{ ref('stg_ops__run_context') }}
    where previous_as_of < as_of
),

subscriptions as (
    select anchors.*, context.clock_start, context.clock_end
    from {{ ref('int_billing_anchors') }} as anchors
    cross join context
    where anchors.started_at <= context.clock_end
),

-- The billing periods' edges about that time, one more than is needed on either side.
boundaries as (
    select
        account_id,
        plan_id,
        timezone,
        clock_start,
        clock_end,
        (anchor_local + to_months(cast(period_number * months as integer))) at time zone timezone
            as boundary
    from (
        select
            *,
            unnest(range(
                date_diff('month', anchor_local, clock_start at time zone timezone) // months - 2,
                date_diff('month', anchor_local, clock_end at time zone timezone) // months + 3
            )) as period_number
        from subscriptions
    ) as numbered
),

-- A period begins, so that its statement and the place for corrections after it are there; or it
-- ends, so that its statement closes and its minimum is owed.
period_edges as (
    select account_id
    from boundaries
    where boundary > clock_start and boundary <= clock_end
),

subscriptions_begun as (
    select account_id
    from subscriptions
    where started_at > clock_start
),

-- Ends and grants are known when they come (DECISIONS D55).
subscriptions_ended as (
    select subscriptions.account_id
    from {{ ref('stg_accounts__subscriptions') }} as subscriptions
    inner join context on subscriptions.ended_at > context.clock_start
),

credits_granted as (
    select credits.account_id
    from {{ ref('stg_accounts__credits') }} as credits
    inner join context on credits.effective_at > context.clock_start
),

-- A version may come into force before it is published: all the time of its plan.
prices_published as (
    select subscriptions.account_id
    from subscriptions
    inner join {{ ref('stg_pricebook__versions') }} as versions using (plan_id)
    where versions.published_at > subscriptions.clock_start
),

approvals as (
    select
        approvals.approval_id,
        approvals.account_id,
        approvals.currency,
        approvals.approved_at,
        context.clock_start
    from {{ ref('stg_ledger__approvals') }} as approvals
    cross join context
),

currencies as (
    select account_id, lower(currency) as currency
    from {{ ref('stg_accounts__accounts') }}
    union
    select account_id, currency
    from approvals
),

-- A rate is known from the first instant of its day in UTC, when the day may have begun for the account.
rates_known as (
    select boundaries.account_id
    from boundaries
    inner join currencies using (account_id)
    inner join {{ ref('stg_accounts__exchange_rates') }} as rates
        on currencies.currency = rates.to_currency
        and cast(boundaries.boundary at time zone boundaries.timezone as date) >= rates.rate_date
        and boundaries.clock_start < cast(rates.rate_date as timestamp) at time zone 'UTC'
    semi join {{ ref('stg_pricebook__versions') }} as versions
        on boundaries.plan_id = versions.plan_id and rates.from_currency = versions.plan_currency
    where boundaries.boundary <= boundaries.clock_end
),

-- The end of an hour with usage may be where a part of a period ends (DECISIONS D62).
thresholds as (
    select distinct subscriptions.account_id
    from subscriptions
    inner join {{ ref('stg_pricebook__versions') }} as versions using (plan_id)
    where versions.threshold_amount is not null
),

hours_ended as (
    select hours.account_id
    from {{ ref('fct_usage_hourly') }} as hours
    semi join thresholds using (account_id)
    inner join context
        on hours.usage_hour + interval 1 hour > context.clock_start
        and hours.usage_hour + interval 1 hour <= context.clock_end
),

ledger_entries as (
    select account_id
    from approvals
    where approved_at > clock_start
    union all
    select approvals.account_id
    from approvals
    inner join {{ ref('stg_ledger__intents') }} as intents using (approval_id)
    where intents.created_at > approvals.clock_start
    union all
    select approvals.account_id
    from approvals
    inner join {{ ref('stg_ledger__intents') }} as intents using (approval_id)
    inner join {{ ref('stg_ledger__answers') }} as answers using (intent_id)
    where answers.answered_at > approvals.clock_start
)

select account_id from period_edges
union
select account_id from subscriptions_begun
union
select account_id from subscriptions_ended
union
select account_id from credits_granted
union
select account_id from prices_published
union
select account_id from rates_known
union
select account_id from hours_ended
union
select account_id from ledger_entries
