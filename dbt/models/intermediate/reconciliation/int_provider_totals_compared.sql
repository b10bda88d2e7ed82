{{ config(materialized='table') }}
-- Grain: stretch of a provider's totals (organisation, measure, time), meter of the measure, account and billing
-- period: what the provider says of it, and what counts of the same time of the same organisation (DECISIONS D61).
-- The total stands whole where the stretch starts, so what counts in it elsewhere is a difference of its own.
{%- set stretch = 'provider, source_account, measure, step_start' %}
{%- set cut_us = 'epoch_us(pieces.piece_end) - epoch_us(pieces.piece_start)' %}
{%- set more_units = ' + cast(cast({0} as decimal(28, 12)) * 0.073741824 as decimal(38, 12))' %}
with

told as (
    select *
    from {{ ref('int_provider_totals_placed') }}
    where is_told
),

windows as (
    select distinct provider, source_account, window_start, step_start, step_end
    from told
    where standing = 'covered'
),

-- whole_us: what the stretch would have of a period if the provider did not cut at the edges of a window. In a
-- window that grows the earlier answer has had what began before.
pieces as (
    select
        windows.provider,
        windows.source_account,
        windows.window_start,
        windows.step_start,
        intervals.account_id,
        intervals.vcpu,
        intervals.memory_mib,
        intervals.disk_mib,
        intervals.gpu,
        greatest(intervals.started_at, windows.step_start) as piece_start,
        least(intervals.ended_at, windows.step_end) as piece_end,
        case
            when intervals.started_at >= windows.step_start or windows.step_start = windows.window_start
                then intervals.us
            else 0
        end as whole_us,
        intervals.evidence = 'open' as is_open
    from windows
    inner join {{ ref('int_compute_intervals_counted') }} as intervals
        on windows.provider = intervals.provider
        and windows.source_account = intervals.source_account
        and windows.step_start < intervals.ended_at
        and windows.step_end > intervals.started_at
    where intervals.us > 0
),

counted as (
    select
        told.provider,
        told.source_account,
        told.measure,
        told.step_start,
        sum({{ compute_quantity('told.measure', cut_us, 'pieces') }})
            as counted_quantity,
        sum({{ compute_quantity('told.measure', 'pieces.whole_us', 'pieces') }}) as whole_quantity,
        sum({{ compute_quantity('told.measure', cut_us, 'pieces') }})
            filter (where pieces.is_open) as open_quantity
    from told
    inner join pieces using (provider, source_account, window_start, step_start)
    group by told.provider, told.source_account, told.measure, told.step_start
),

sides as (
    select
        told.*,
        cast(told.quantity as decimal(38, 12)) as told_side,
        -- What an answer tells of time without intervals counts itself.
        case
            when told.standing = 'covered' then coalesce(counted.counted_quantity, cast(0 as decimal(38, 16)))
        end as counted_quantity,
        cast(coalesce(counted.counted_quantity, 0) as decimal(38, 12)) as counted_side,
        cast(coalesce(counted.whole_quantity, 0) as decimal(38, 12)) as whole_side,
        cast(coalesce(counted.counted_quantity, 0) - coalesce(counted.open_quantity, 0) as decimal(38, 12))
            as ended_side
    from told
    left join counted using ({{ stretch }})
),

-- The first that holds; 10^9 bytes for 2^30 make 1.073741824 times as many units, or the other way.
explained as (
    select
        *,
        case
            when counted_quantity is null or {{ quantities_agree('told_side', 'counted_side') }} then null
            when
                measure in ('ram_gibi_seconds', 'ssd_gibi_seconds')
                and counted_side <> 0
                and (
                    {{ quantities_agree('told_side', 'counted_side' ~ more_units.format('counted_side')) }}
                    or {{ quantities_agree('counted_side', 'told_side' ~ more_units.format('told_side')) }}
                )
                then 'decimal_gigabytes'
            when {{ quantities_agree('told_side', 'whole_side') }} then 'periods_not_cut_at_window'
            when {{ quantities_agree('told_side', 'ended_side') }} then 'open_periods_not_told'
            when counted_side = 0 then 'no_periods_in_window'
            when is_partly_covered and told_side > counted_side then 'window_partly_covered'
            when not is_final and told_side < counted_side then 'window_not_final'
            else 'provider_total_differs'
        end as cause
    from sides
),

periods as (
    select distinct account_id, period_start, period_end
    from {{ ref('int_billing_segments') }}
),

parts as (
    select
        explained.provider,
        explained.source_account,
        explained.measure,
        explained.step_start,
        periods.account_id,
        periods.period_start,
        periods.period_end,
        explained.quantity as provider_quantity,
        explained.counted_quantity - explained.quantity as difference,
        -explained.counted_quantity as elsewhere_quantity
    from explained
    inner join {{ ref('int_account_assignments') }} as assignments
        on explained.account_reference = assignments.account_reference
        and explained.step_start >= assignments.valid_from
        and explained.step_start < assignments.valid_to
    inner join periods
        on assignments.account_id = periods.account_id
        and explained.step_start >= periods.period_start
        and explained.step_start < periods.period_end

    union all

    select
        explained.provider,
        explained.source_account,
        explained.measure,
        explained.step_start,
        periods.account_id,
        periods.period_start,
        periods.period_end,
        cast(null as decimal(38, 16)) as provider_quantity,
        cast(0 as decimal(38, 16)) as difference,
        {{ compute_quantity(
            'explained.measure',
            'epoch_us(least(pieces.piece_end, periods.period_end))'
            ~ ' - epoch_us(greatest(pieces.piece_start, periods.period_start))',
            'pieces'
        ) }} as elsewhere_quantity
    from explained
    inner join pieces using (provider, source_account, window_start, step_start)
    inner join periods
        on pieces.account_id = periods.account_id
        and pieces.piece_start < periods.period_end
        and pieces.piece_end > periods.period_start
),

summed as (
    select
        {{ stretch }},
        account_id,
        period_start,
        period_end,
        cast(sum(provider_quantity) as decimal(38, 16)) as provider_quantity,
        cast(coalesce(sum(difference), 0) as decimal(38, 16)) as difference,
        cast(coalesce(sum(elsewhere_quantity), 0) as decimal(38, 16)) as elsewhere_quantity
    from parts
    group by {{ stretch }}, account_id, period_start, period_end
)

select
    summed.*,
    meters.meter_id,
    coalesce(meters.stripe_event_name, '') as stripe_event_name,
    explained.window_start,
    explained.window_end,
    explained.source,
    explained.quantity as told_quantity,
    explained.counted_quantity,
    explained.cause
from summed
inner join explained using ({{ stretch }})
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and summed.measure = meters.measure
