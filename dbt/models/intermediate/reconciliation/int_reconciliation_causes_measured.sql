{{ config(materialized='table') }}
-- Grain: account, Stripe event name, billing period and known mistake: by how much Stripe's meter
-- would differ if it had been made. priority is the order in which mistakes are tried. Causes that
-- change nothing in the period are left out.
with

pieces as (
    select * from {{ ref('int_reconciliation_pieces_measured') }}
),

legs as (
    select * from {{ ref('int_reconciliation_legs_compared') }}
    where leg = 'pushed_meter' and differs and {{ is_reconciled_again('account_id') }}
),

names as (
    select * from {{ ref('int_stripe_event_names_mapped') }}
),

parts as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        interval_id,
        sandbox_id,
        1 as priority,
        'retries_counted_again' as cause,
        cast(quantity * repeated_deliveries as decimal(38, 16)) as quantity_delta
    from pieces
    where repeated_deliveries > 0

    union all

    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        interval_id,
        sandbox_id,
        2 as priority,
        'paused_time_counted' as cause,
        cast(paused_quantity as decimal(38, 16)) as quantity_delta
    from pieces

    union all

    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        interval_id,
        sandbox_id,
        3 as priority,
        'late_usage_not_pushed' as cause,
        cast(-quantity as decimal(38, 16)) as quantity_delta
    from pieces
    where known_at >= period_end + interval 1 hour

    union all

    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        interval_id,
        sandbox_id,
        5 as priority,
        'rounded_up_per_record' as cause,
        cast(rounded_up_quantity as decimal(38, 16)) as quantity_delta
    from pieces

    union all

    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        interval_id,
        sandbox_id,
        6 as priority,
        'missing_end_not_billed' as cause,
        cast(-quantity as decimal(38, 16)) as quantity_delta
    from pieces
    where evidence in ('inferred', 'clamped', 'open')
),

summed as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        priority,
        cause,
        cast(sum(quantity_delta) as decimal(38, 12)) as quantity_delta,
        count(distinct interval_id) as interval_count,
        list(interval_id order by abs(quantity_delta) desc, interval_id) as interval_ids,
        list(distinct sandbox_id order by sandbox_id) as sandbox_ids
    from parts
    where quantity_delta <> 0
    group by account_id, stripe_event_name, period_start, period_end, priority, cause
),

-- 2^30 / 10^9 = 1.073741824; 10^9 / 2^30 = 0.931322574615478515625, here to 20 places in two parts
-- because the whole product would not fit 38 digits.
memory as (
    select
        legs.account_id,
        legs.stripe_event_name,
        legs.period_start,
        legs.period_end,
        unnest([
            cast(cast(legs.left_quantity as decimal(28, 12)) * 0.073741824 as decimal(38, 12)),
            cast(
                cast(legs.left_quantity as decimal(28, 12)) * 0.9313225746
                + cast(legs.left_quantity as decimal(24, 6)) * 0.00000000001547851562
                - legs.left_quantity
                as decimal(38, 12)
            )
        ]) as quantity_delta
    from legs
    inner join names on legs.stripe_event_name = names.stripe_event_name
    where
        names.measure in ('ram_gibi_seconds', 'ssd_gibi_seconds', 'gibi_seconds')
        and legs.left_quantity <> 0
)

select
    account_id,
    stripe_event_name,
    period_start,
    period_end,
    priority,
    cause,
    quantity_delta,
    interval_count,
    interval_ids[1:5] as interval_ids,
    sandbox_ids[1:5] as sandbox_ids
from summed

union all

select
    account_id,
    stripe_event_name,
    period_start,
    period_end,
    4 as priority,
    'decimal_gigabytes' as cause,
    quantity_delta,
    0 as interval_count,
    cast([] as varchar[]) as interval_ids,
    cast([] as varchar[]) as sandbox_ids
from memory
