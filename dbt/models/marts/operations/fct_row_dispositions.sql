-- Grain: file (content), disposition: what became of the rows of each file; together all of its rows.
-- Most records bill. So they are counted by file, and only what does not bill is looked into.
with

as_of as (
    select as_of as at from {{ ref('stg_ops__run_context') }}
),

set_aside as (
    select * from {{ ref('int_records_set_aside') }}
),

time_files as (
    select
        load_seq,
        count(*) as row_count,
        count(*) filter (where known_at > (select as_of.at from as_of)) as pending_count,
        -- What has no time of being known is not pending either.
        count(*) filter (
            where not coalesce(known_at > (select as_of.at from as_of), false) and not carries_time
        ) as not_billable_count
    from {{ ref('int_time_records') }}
    group by load_seq
),

-- Compute: all records of a file, less those that are set apart below.
time_records as (
    select
        load_seq,
        unnest(['pending', 'not_billable', 'billed']) as disposition,
        unnest([pending_count, not_billable_count, row_count - pending_count - not_billable_count]) as row_count
    from time_files
),

-- Records of runs that bill nothing move from billed to that run's disposition.
unbilled as (
    select
        records.load_seq,
        runs.disposition,
        count(*) as row_count
    from {{ ref('int_time_records') }} as records
    inner join {{ ref('int_unbilled_runs') }} as runs
        using (record_source, provider, source_account, sandbox_id, execution_id)
    anti join set_aside
        on records.load_seq = set_aside.load_seq and records.record_number = set_aside.record_number
    where records.carries_time and records.known_at <= (select as_of.at from as_of)
    group by all
),

aside as (
    select
        set_aside.load_seq,
        set_aside.disposition,
        case when records.carries_time then 'billed' else 'not_billable' end as counted_as,
        count(*) as row_count
    from set_aside
    inner join {{ ref('int_time_records') }} as records
        on set_aside.load_seq = records.load_seq and set_aside.record_number = records.record_number
    group by all
),

subscribed as (
    select account_id, segment_start, segment_end
    from {{ ref('int_account_segments') }}
),

quantity_rows as (
    select
        told.load_seq,
        case
            when told.known_at > (select as_of.at from as_of) then 'pending'
            when set_aside.disposition is not null then set_aside.disposition
            when counted.account_id = 'unattributed' then 'unattributed'
            when meters.meter_id is null or subscribed.account_id is null then 'not_billable'
            else 'billed'
        end as disposition,
        count(*) as row_count
    from {{ ref('stg_generic__quantities') }} as told
    left join set_aside
        on told.load_seq = set_aside.load_seq and told.record_number = set_aside.record_number
    left join {{ ref('int_quantities') }} as counted
        on told.load_seq = counted.load_seq and told.record_number = counted.record_number
    -- A meter whose parts do not add up takes events only (int_amounts_measured).
    left join {{ ref('stg_pricebook__meters') }} as meters
        on told.meter_id = meters.meter_id and coalesce(meters.aggregation, 'sum') in ('sum', 'count')
    left join subscribed
        on counted.account_id = subscribed.account_id
        and counted.used_at >= subscribed.segment_start
        and counted.used_at < subscribed.segment_end
    group by all
),

-- Answers of usage APIs: each counts, or was replaced.
poll_rows as (
    select load_seq, disposition, count(*) as row_count
    from {{ ref('int_poll_records_placed') }}
    group by load_seq, disposition
),

-- Samples bill when the level they tell is held for some time in which its account has a plan.
sampled_rows as (
    select
        load_seq,
        record_number,
        known_at,
        false as is_nothing
    from {{ ref('stg_storage__gauges') }}
    union all
    select
        load_seq,
        record_number,
        known_at,
        is_rest and objects = 0 as is_nothing
    from {{ ref('stg_storage__prefixes') }}
),

storage_meters as (
    select count(*) as meter_count from {{ ref('stg_pricebook__meters') }} where source = 'storage'
),

held as (
    select
        intervals.load_seq,
        intervals.record_number,
        case
            when max(intervals.ended_at) <= min(intervals.started_at) then 'not_billable'
            when bool_and(intervals.account_id = 'unattributed') then 'unattributed'
            when (select storage_meters.meter_count from storage_meters) = 0 then 'not_billable'
            when bool_or(subscribed.account_id is not null) then 'billed'
            else 'not_billable'
        end as disposition
    from {{ ref('int_storage_intervals') }} as intervals
    left join subscribed
        on intervals.account_id = subscribed.account_id
        and intervals.started_at < subscribed.segment_end
        and intervals.ended_at > subscribed.segment_start
    where intervals.record_number is not null
    group by intervals.load_seq, intervals.record_number
),

storage_rows as (
    select
        told.load_seq,
        case
            when told.known_at > (select as_of.at from as_of) then 'pending'
            when set_aside.disposition is not null then set_aside.disposition
            when told.is_nothing then 'not_billable'
            else coalesce(held.disposition, 'not_billable')
        end as disposition,
        count(*) as row_count
    from sampled_rows as told
    left join set_aside
        on told.load_seq = set_aside.load_seq and told.record_number = set_aside.record_number
    left join held
        on told.load_seq = held.load_seq and told.record_number = held.record_number
    group by all
),

event_rows as (
    select
        load_seq,
        disposition,
        count(*) as row_count
    from {{ ref('int_event_records') }}
    group by all
),

-- Files that say who, at what price and what it cost us, not how much was used: current, or replaced by a
-- newer file.
reference_rows as (
    select
        load_seq,
        case when is_current then 'not_billable' else 'superseded' end as disposition,
        records - quarantined as row_count
    from {{ ref('stg_landing__loads') }}
    where
        load_seq not in (select load_seq from time_records)
        and load_seq not in (select load_seq from quantity_rows)
        and load_seq not in (select load_seq from poll_rows)
        and load_seq not in (select load_seq from storage_rows)
        and load_seq not in (select load_seq from event_rows)
),

-- Of a current one, rows that become known later move from not_billable to pending.
reference_pending as (
    select pending.load_seq, pending.row_count
    from {{ ref('stg_landing__pending_rows') }} as pending
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where loads.is_current
),

quarantined as (
    select load_seq, 'quarantined' as disposition, quarantined as row_count
    from {{ ref('stg_landing__loads') }}
),

counted as (
    select load_seq, disposition, row_count from time_records
    union all
    select load_seq, disposition, row_count from unbilled
    union all
    select load_seq, 'billed', -row_count from unbilled
    union all
    select load_seq, disposition, row_count from aside
    union all
    select load_seq, counted_as, -row_count from aside
    union all
    select load_seq, disposition, row_count from quantity_rows
    union all
    select load_seq, disposition, row_count from poll_rows
    union all
    select load_seq, disposition, row_count from storage_rows
    union all
    select load_seq, disposition, row_count from event_rows
    union all
    select load_seq, disposition, row_count from reference_rows
    union all
    select load_seq, 'pending', row_count from reference_pending
    union all
    select load_seq, 'not_billable', -row_count from reference_pending
    union all
    select load_seq, disposition, row_count from quarantined
)

select
    loads.source,
    loads.file,
    counted.disposition,
    cast(sum(counted.row_count) as bigint) as rows,
    loads.content_sha256
from counted
inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
group by loads.source, loads.file, counted.disposition, loads.content_sha256
having sum(counted.row_count) <> 0
