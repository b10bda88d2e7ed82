-- Grain: one subscription. billing_anchor is an instant, a date in the account's time zone, or a day of
-- the month: then any month of 31 days anchors it. An end is known when it comes (DECISIONS D55).
with

current_rows as (
    select *
    from {{ source('billing_reference', 'subscriptions') }}
    where {{ from_current_loads() }}
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
    coalesce(on_demand, false) as on_demand
from current_rows
