{{ config(materialized='table') }}
-- Grain: account, meter, billing period, cause: by how much what counts differs from what another source tells
-- of the same time of the same sandboxes (DECISIONS D42), or a provider's own totals of the same time of the
-- same organisation (D61). Nobody is charged the difference: it has no amount. Each record that does not count
-- is compared with what counts in its time for its account.
with

periods as (
    select distinct account_id, period_start, period_end
    from {{ ref('int_account_segments') }}
),

lost as (
    select
        pieces.* exclude (started_at, ended_at),
        periods.period_start,
        periods.period_end,
        greatest(pieces.started_at, periods.period_start) as started_at,
        least(pieces.ended_at, periods.period_end) as ended_at
    from {{ ref('int_shared_sandbox_pieces') }} as pieces
    inner join periods
        on pieces.account_id = periods.account_id
        and pieces.started_at < periods.period_end
        and pieces.ended_at > periods.period_start
    where not pieces.is_counted
),

sides as (
    select
        account_id, period_start, period_end, vcpu, memory_mib, disk_mib, gpu, false as is_counted,
        epoch_us(ended_at) - epoch_us(started_at) as us
    from lost
    union all
    select
        lost.account_id, lost.period_start, lost.period_end,
        counted.vcpu, counted.memory_mib, counted.disk_mib, counted.gpu, true as is_counted,
        epoch_us(least(counted.ended_at, lost.ended_at)) - epoch_us(greatest(counted.started_at, lost.started_at))
            as us
    from lost
    inner join {{ ref('int_shared_sandbox_pieces') }} as counted
        on lost.provider = counted.provider
        and lost.sandbox_id = counted.sandbox_id
        and lost.account_id = counted.account_id
        and lost.record_source <> counted.record_source
        and lost.started_at < counted.ended_at
        and lost.ended_at > counted.started_at
    where counted.is_counted
),

measured as (
    select
        sides.account_id,
        sides.period_start,
        sides.period_end,
        meters.meter_id,
        coalesce(meters.stripe_event_name, '') as stripe_event_name,
        sides.is_counted,
        coalesce({{ compute_quantity('meters.measure', 'sides.us', 'sides') }}, cast(0 as decimal(38, 16)))
            as quantity
    from sides
    inner join {{ ref('stg_pricebook__meters') }} as meters on meters.source = 'compute'
),

totalled as (
    select
        account_id,
        period_start,
        period_end,
        meter_id,
        stripe_event_name,
        cast(coalesce(sum(quantity) filter (where not is_counted), 0) as decimal(38, 12)) as told_quantity,
        cast(coalesce(sum(quantity) filter (where is_counted), 0) as decimal(38, 12)) as counted_quantity
    from measured
    group by account_id, period_start, period_end, meter_id, stripe_event_name
),

-- The rows of files that tell what does not count.
tellings as (
    select
        lost.account_id,
        lost.period_start,
        lost.period_end,
        list(distinct loads.source order by loads.source) as sources,
        list(distinct loads.file order by loads.file) as files,
        list(distinct lost.execution_id order by lost.execution_id) as record_ids,
        list(distinct lost.sandbox_id order by lost.sandbox_id) as sandbox_ids
    from lost
    inner join {{ ref('int_time_records') }} as records
        on lost.record_source = records.record_source
        and lost.provider = records.provider
        and lost.source_account = records.source_account
        and lost.sandbox_id = records.sandbox_id
        and lost.execution_id = records.execution_id
    anti join {{ ref('int_records_set_aside') }} as set_aside
        on records.load_seq = set_aside.load_seq and records.record_number = set_aside.record_number
    inner join {{ ref('stg_landing__loads') }} as loads on records.load_seq = loads.load_seq
    where records.known_at <= {{ as_of() }}
    group by lost.account_id, lost.period_start, lost.period_end
),

totals as (
    select * from {{ ref('int_provider_totals_compared') }}
),

total_causes as (
    select *, difference as quantity_delta
    from totals
    where cause is not null and difference <> 0
    union all
    select * replace ('window_crosses_period' as cause), elsewhere_quantity as quantity_delta
    from totals
    where elsewhere_quantity <> 0
),

totals_differing as (
    select
        account_id,
        stripe_event_name,
        meter_id,
        period_start,
        period_end,
        cause,
        cast(sum(quantity_delta) as decimal(38, 12)) as quantity_delta,
        cast(sum(told_quantity) as decimal(38, 12)) as told_quantity,
        cast(sum(counted_quantity) as decimal(38, 12)) as counted_quantity,
        list(distinct source order by source) as sources,
        list(distinct source_account order by source_account) as organisations,
        list(
            distinct {{ utc_text('window_start') }} || '/' || {{ utc_text('window_end') }}
            order by {{ utc_text('window_start') }} || '/' || {{ utc_text('window_end') }}
        ) as windows
    from total_causes
    group by account_id, stripe_event_name, meter_id, period_start, period_end, cause
)

select
    totalled.account_id,
    totalled.stripe_event_name,
    totalled.meter_id,
    totalled.period_start,
    totalled.period_end,
    'provider_warehouse' as leg,
    'told_differently_by_another_source' as cause,
    cast(totalled.counted_quantity - totalled.told_quantity as decimal(38, 12)) as quantity_delta,
    cast(0 as bigint) as amount_delta_minor,
    {{ evidence_text({
        "told_quantity": plain_decimal("totalled.told_quantity"),
        "counted_quantity": plain_decimal("totalled.counted_quantity"),
        "sources": "tellings.sources",
        "files": "tellings.files[1:5]",
        "record_ids": "tellings.record_ids[1:5]",
        "sandbox_ids": "tellings.sandbox_ids[1:5]",
    }) }} as evidence
from totalled
inner join tellings using (account_id, period_start, period_end)
where totalled.counted_quantity <> totalled.told_quantity

union all

select
    account_id,
    stripe_event_name,
    meter_id,
    period_start,
    period_end,
    'provider_warehouse' as leg,
    cause,
    quantity_delta,
    cast(0 as bigint) as amount_delta_minor,
    {{ evidence_text({
        "told_quantity": plain_decimal("told_quantity"),
        "counted_quantity": plain_decimal("counted_quantity"),
        "sources": "sources",
        "source_accounts": "organisations[1:5]",
        "windows": "windows[1:5]",
    }) }} as evidence
from totals_differing
where quantity_delta <> 0
