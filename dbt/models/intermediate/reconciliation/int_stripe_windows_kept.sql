-- Grain: one summary window inside a billing period, without the windows that another one already
-- holds. An export may hold hours, days and a total of the same usage, of which only one may
-- count:
--   1. a window read before its own end is provisional; it gives way to any complete window over
--       it;
--   2. of complete windows over each other the widest stays, and so among provisional ones.
-- Windows of the API are aligned, so one always contains the other. Should two only overlap in
-- part, the wider stays (the earlier of equal ones), and the rest of the other one is left out.
with

marked as (
    select
        *,
        epoch_us(window_end) - epoch_us(window_start) as window_us,
        max(window_end) over (
            partition by stripe_meter_id, customer_id, period_start, period_end
            order by window_start, window_end
            rows between unbounded preceding and 1 preceding
        ) as latest_end_before
    from {{ ref('int_stripe_windows_placed') }}
    where is_inside
),

-- Windows that overlap in a chain share an island; nearly every island is a single window, which
-- keeps the comparison of windows with each other small.
islands as (
    select
        *,
        count(*) filter (
            where latest_end_before is null or window_start >= latest_end_before
        ) over (
            partition by stripe_meter_id, customer_id, period_start, period_end
            order by window_start, window_end
            rows between unbounded preceding and current row
        ) as island
    from marked
),

complete_first as (
    select candidate.*
    from islands as candidate
    where
        candidate.is_complete
        or not exists (
            select 1
            from islands as better
            where
                better.is_complete
                and better.stripe_meter_id = candidate.stripe_meter_id
                and better.customer_id = candidate.customer_id
                and better.period_start = candidate.period_start
                and better.period_end = candidate.period_end
                and better.island = candidate.island
                and better.window_start < candidate.window_end
                and better.window_end > candidate.window_start
        )
),

widest_first as (
    select candidate.*
    from complete_first as candidate
    anti join complete_first as better
        on candidate.stripe_meter_id = better.stripe_meter_id
        and candidate.customer_id = better.customer_id
        and candidate.period_start = better.period_start
        and candidate.period_end = better.period_end
        and candidate.island = better.island
        and candidate.window_start < better.window_end
        and candidate.window_end > better.window_start
        and (
            candidate.window_us < better.window_us
            or (
                candidate.window_us = better.window_us
                and candidate.window_start > better.window_start
            )
        )
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
    aggregated_value
from widest_first
