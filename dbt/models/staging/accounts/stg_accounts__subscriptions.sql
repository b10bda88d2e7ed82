-- Grain: one subscription, of subscriptions.csv or else of Stripe. billing_anchor is an instant, a date in
-- the account's time zone, or a day of the month: then any month of 31 days anchors it. An end is known when
-- it comes (DECISIONS D55).
with

current_rows as (
    select *
    from {{ source('billing_reference', 'subscriptions') }}
    where {{ from_current_loads() }}
),

-- Of accounts that name the same customer of Stripe the first by id has it, as in reconciliation.
customers as (
    select
        stripe_customer_id as customer_id,
        min(account_id) as account_id
    from {{ ref('stg_accounts__accounts') }}
    where stripe_customer_id <> ''
    group by stripe_customer_id
)

select
    subscription_id,
    account_id,
    plan_id,
    started_at,
    case when ended_at <= {{ as_of() }} then ended_at end as ended_at,
    case when length(billing_anchor) > 10 then cast(billing_anchor as timestamptz) end
        as billing_anchor_at,
    case
        when length(billing_anchor) = 10 then cast(billing_anchor as date)
        when length(billing_anchor) <= 2 then make_date(2000, 1, cast(billing_anchor as integer))
    end as billing_anchor_date,
    spending_cap,
    coalesce(on_demand, false) as on_demand,
    trial_ends_at
from current_rows

union all

-- A customer of no account stands under its own id, so that it can be named (fct_usage_issues).
select
    told.subscription_id,
    coalesce(customers.account_id, told.customer_id) as account_id,
    told.plan_id,
    told.started_at,
    told.ended_at,
    told.billing_anchor_at,
    cast(null as date) as billing_anchor_date,
    cast(null as decimal(38, 18)) as spending_cap,
    false as on_demand,
    told.trial_ends_at
from {{ ref('stg_stripe__subscriptions') }} as told
anti join current_rows on told.subscription_id = current_rows.subscription_id
left join customers on told.customer_id = customers.customer_id
