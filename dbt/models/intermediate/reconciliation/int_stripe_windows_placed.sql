{{ config(materialized='table') }}
-- Grain: one summary window of a Stripe meter and customer, and a billing period that it touches.
-- is_inside says that the period contains the window: only then does its usage surely belong
-- there. A window that touches no statement period of the account belongs to the calendar month of
-- the account's time zone. Customers of no account stand under `unattributed`. Event names that
-- the price book does not know belong to other products and are left out.
with

windows as (
    select
        coalesce(customers.account_id, 'unattributed') as account_id,
        coalesce(customers.timezone, 'UTC') as timezone,
        names.stripe_event_name,
        summaries.customer_id,
        summaries.meter_id as stripe_meter_id,
        summaries.window_start,
        summaries.window_end,
        summaries.aggregated_value,
        coalesce(summaries.fetched_at >= summaries.window_end, true) as is_complete
    from {{ ref('stg_stripe__meter_event_summaries') }} as summaries
    inner join {{ ref('stg_stripe__meters') }} as meters on summaries.meter_id = meters.meter_id
    inner join {{ ref('int_stripe_event_names_mapped') }} as names
        on meters.event_name = names.stripe_event_name
    left join {{ ref('int_stripe_customers_mapped') }} as customers
        on summaries.customer_id = customers.stripe_customer_id
    where
        summaries.window_start < summaries.window_end
        and {{ is_reconciled_again("coalesce(customers.account_id, 'unattributed')") }}
),

touching as (
    select
        windows.*,
        periods.period_start,
        periods.period_end,
        windows.window_start >= periods.period_start
        and windows.window_end <= periods.period_end as is_inside
    from windows
    inner join {{ ref('int_statement_periods_collected') }} as periods
        on windows.account_id = periods.account_id
        and windows.window_start < periods.period_end
        and windows.window_end > periods.period_start
),

-- Of periods of an account that overlap (two subscriptions), the shortest that contains the window
-- has it, once.
placed_in_statements as (
    select
        *,
        row_number() over (
            partition by stripe_meter_id, customer_id, window_start, window_end
            order by
                is_inside desc,
                epoch_us(period_end) - epoch_us(period_start) asc,
                period_start asc
        ) as choice
    from touching
),

months as (
    select
        windows.*,
        date_trunc('month', windows.window_start at time zone windows.timezone) as local_month
    from windows
    anti join touching
        on windows.stripe_meter_id = touching.stripe_meter_id
        and windows.customer_id = touching.customer_id
        and windows.window_start = touching.window_start
        and windows.window_end = touching.window_end
),

placed_in_months as (
    select
        * exclude (local_month),
        local_month at time zone timezone as period_start,
        (local_month + interval 1 month) at time zone timezone as period_end
    from months
)

select
    account_id,
    stripe_event_name,
    period_start,
    period_end,
    stripe_meter_id,
    customer_id,
    window_start,
    window_end,
    aggregated_value,
    is_complete,
    is_inside
from placed_in_statements
where choice = 1 or not is_inside

union all

select
    account_id,
    stripe_event_name,
    period_start,
    period_end,
    stripe_meter_id,
    customer_id,
    window_start,
    window_end,
    aggregated_value,
    is_complete,
    window_end <= period_end as is_inside
from placed_in_months
