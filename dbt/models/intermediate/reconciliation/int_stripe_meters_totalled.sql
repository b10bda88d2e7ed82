-- Grain: account, Stripe event name, billing period: what Stripe's meter holds. is_comparable is
-- false when a window that holds usage crosses the period's edge and nothing finer shows how much
-- of it lies inside: the total would then only look like a difference.
with

kept as (
    select * from {{ ref('int_stripe_windows_kept') }}
),

crossing as (
    select distinct
        edge.account_id,
        edge.stripe_event_name,
        edge.period_start,
        edge.period_end
    from {{ ref('int_stripe_windows_placed') }} as edge
    where
        not edge.is_inside
        and edge.aggregated_value <> 0
        and not exists (
            select 1
            from kept
            where
                kept.stripe_meter_id = edge.stripe_meter_id
                and kept.customer_id = edge.customer_id
                and kept.period_start = edge.period_start
                and kept.period_end = edge.period_end
                and kept.window_start < edge.window_end
                and kept.window_end > edge.window_start
        )
),

totals as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        cast(sum(aggregated_value) as decimal(38, 12)) as stripe_meter_quantity,
        count(*) as window_count,
        list(distinct customer_id order by customer_id)[1:5] as customer_ids,
        list(distinct stripe_meter_id order by stripe_meter_id)[1:5] as stripe_meter_ids
    from kept
    group by account_id, stripe_event_name, period_start, period_end
)

select
    coalesce(totals.account_id, crossing.account_id) as account_id,
    coalesce(totals.stripe_event_name, crossing.stripe_event_name) as stripe_event_name,
    coalesce(totals.period_start, crossing.period_start) as period_start,
    coalesce(totals.period_end, crossing.period_end) as period_end,
    totals.stripe_meter_quantity,
    coalesce(totals.window_count, 0) as window_count,
    totals.customer_ids,
    totals.stripe_meter_ids,
    crossing.account_id is null as is_comparable
from totals
full outer join crossing
    on totals.account_id = crossing.account_id
    and totals.stripe_event_name = crossing.stripe_event_name
    and totals.period_start = crossing.period_start
    and totals.period_end = crossing.period_end
