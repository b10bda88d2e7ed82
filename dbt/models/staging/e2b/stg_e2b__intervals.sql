-- Grain: one run (execution) of a sandbox, in the shape every interval source has.
-- In an incremental build it holds only the runs of the sandboxes that new records touch.
-- The rules, with their reasons: DECISIONS.md, "E2B runs" and "A run without an end".
{%- set hour_us = 3600000000 %}
with

events as (
    select *
    from {{ e2b_events_made_again() }}
    where known_at <= {{ as_of() }}
),

counted as (
    select events.*
    from events
    anti join {{ ref('stg_e2b__set_aside') }} as set_aside
        on events.load_seq = set_aside.load_seq and events.record_number = set_aside.record_number
),

-- A counted run has at most one end, so max() only picks the one value there is.
runs as (
    select
        source_account,
        sandbox_id,
        execution_id,
        min(occurred_at) as first_event_at,
        min(occurred_at) filter (event_type in ('created', 'resumed')) as begun_at,
        max(occurred_at) filter (event_type in ('paused', 'killed')) as stopped_at,
        max(known_at) filter (event_type in ('paused', 'killed')) as known_at,
        bool_or(event_type = 'paused') as stopped_by_pause,
        bool_or(event_type = 'checkpointed') as has_checkpoint,
        max(execution_ms) as execution_ms,
        max(reported_start_at) as reported_start_at,
        max(vcpu) as vcpu,
        max(memory_mib) as memory_mib,
        max(metadata) as metadata,
        arg_max(set_timeout_at, occurred_at) as timeout_at
    from counted
    group by source_account, sandbox_id, execution_id
),

-- Runs are numbered here: what follows joins and sorts by a number, not by three texts.
begun as materialized (
    select
        *,
        row_number() over () as run_number,
        case
            -- execution_time is exact; the reported start is cut to the second, the event is late.
            when execution_ms is not null and stopped_at is not null and (not has_checkpoint or begun_at is null)
                then stopped_at - to_microseconds(execution_ms * 1000)
            when begun_at is not null then begun_at
            when stopped_at is not null then reported_start_at
        end as started_at
    from runs
),

-- Most sandboxes run once, and only the others' runs have to be put in order.
sandboxes_run_again as (
    select
        source_account,
        sandbox_id,
        row_number() over () as sandbox_number
    from begun
    where started_at is not null
    group by source_account, sandbox_id
    having count(*) > 1
),

in_order as (
    select
        begun.run_number,
        lead(begun.started_at) over (
            partition by sandboxes.sandbox_number order by begun.started_at, begun.execution_id
        ) as next_started_at
    from begun
    inner join sandboxes_run_again as sandboxes using (source_account, sandbox_id)
    where begun.started_at is not null
),

-- What the end of a run would have told, told by another run of its sandbox: the last one before it,
-- else the first one after it.
told_by_other_runs as (
    select
        run_number,
        arg_min(vcpu, nearness) filter (vcpu is not null) as vcpu,
        arg_min(memory_mib, nearness) filter (memory_mib is not null) as memory_mib,
        arg_min(metadata, nearness) filter (metadata is not null) as metadata
    from (
        select
            mine.run_number, theirs.vcpu, theirs.memory_mib, theirs.metadata,
            row_number() over (
                partition by mine.run_number
                order by
                    theirs.first_event_at > mine.first_event_at,
                    abs(epoch_us(theirs.first_event_at) - epoch_us(mine.first_event_at)),
                    theirs.execution_id
            ) as nearness
        from begun as mine
        inner join begun as theirs
            on mine.source_account = theirs.source_account
            and mine.sandbox_id = theirs.sandbox_id
            and mine.run_number <> theirs.run_number
        where mine.memory_mib is null or mine.metadata is null
    ) as others
    group by run_number
),

unsized as (
    select
        begun.run_number, begun.source_account, begun.started_at,
        max(events.template_id) as template_id
    from begun
    left join told_by_other_runs as others using (run_number)
    inner join {{ e2b_events_made_again() }} as events
        on begun.source_account = events.source_account
        and begun.sandbox_id = events.sandbox_id
        and begun.execution_id = events.execution_id
    {{ anti_join_voided() }}
    where begun.memory_mib is null and others.memory_mib is null and begun.started_at is not null
    group by all
),

searched as (
    select
        *,
        epoch_us(started_at) // {{ hour_us }} as hour_number
    from unsized
    where template_id is not null
),

-- A run of one of those templates that ended and told its size.
template_ends as not materialized (
    select
        source_account,
        template_id,
        events.occurred_at,
        epoch_us(events.occurred_at) // {{ hour_us }} as hour_number,
        events.vcpu,
        events.memory_mib
    from {{ ref('stg_e2b__events') }} as events
    {{ anti_join_voided() }}
    where
        events.event_type in ('paused', 'killed')
        and events.memory_mib is not null
        and events.known_at <= {{ as_of() }}
),

-- The size of the last run of the same template that had ended when this one began. Nearly always one ended in
-- the hour of the start or the hour before: then only the ends of such hours have to be put in order.
near_hours as (
    select distinct
        source_account,
        template_id,
        unnest([hour_number, hour_number - 1]) as hour_number
    from searched
),

sizes_near as (
    select searched.run_number, ends.vcpu, ends.memory_mib
    from searched
    asof inner join (
        select source_account, template_id, hour_number, occurred_at, max(vcpu) as vcpu, max(memory_mib) as memory_mib
        from template_ends
        semi join near_hours using (source_account, template_id, hour_number)
        group by all
    ) as ends
        on searched.source_account = ends.source_account
        and searched.template_id = ends.template_id
        and searched.started_at >= ends.occurred_at
    where ends.hour_number >= searched.hour_number - 1
),

searched_far as (
    select *
    from searched
    anti join sizes_near using (run_number)
),

sizes_far as (
    select searched_far.run_number, ends.vcpu, ends.memory_mib
    from searched_far
    asof inner join (
        select source_account, template_id, occurred_at, max(vcpu) as vcpu, max(memory_mib) as memory_mib
        from template_ends
        semi join (select distinct source_account, template_id from searched_far) as far_templates
            using (source_account, template_id)
        group by all
    ) as ends
        on searched_far.source_account = ends.source_account
        and searched_far.template_id = ends.template_id
        and searched_far.started_at >= ends.occurred_at
),

template_sizes as (
    select * from sizes_near
    union all
    select * from sizes_far
),

ended as (
    select
        begun.* exclude (vcpu, memory_mib, metadata),
        in_order.next_started_at,
        coalesce(begun.vcpu, others.vcpu) as told_vcpu,
        coalesce(begun.memory_mib, others.memory_mib) as told_memory_mib,
        coalesce(begun.metadata, others.metadata) as metadata,
        started_at + to_hours({{ var('e2b_max_session_hours') }}) as session_limit_at,
        case
            when started_at is null then coalesce(stopped_at, first_event_at)
            when stopped_at is not null then least(stopped_at, next_started_at)
            else greatest(started_at, least(
                next_started_at,
                timeout_at,
                started_at + to_hours({{ var('e2b_max_session_hours') }}),
                {{ as_of() }}
            ))
        end as ended_at
    from begun
    left join in_order using (run_number)
    left join told_by_other_runs as others using (run_number)
),

repeated_ends as (
    select source_account, sandbox_id, execution_id, count(*)::integer as repeated_deliveries
    from {{ ref('stg_e2b__set_aside') }}
    where disposition = 'duplicate' and is_end
    group by all
),

labelled as (
    select
        *,
        case
            when stopped_at is not null and ended_at < stopped_at then 'clamped'
            when stopped_at is not null then 'observed'
            when ended_at = next_started_at or ended_at = timeout_at then 'inferred'
            when ended_at = session_limit_at then 'clamped'
            else 'open'
        end as evidence
    from ended
),

sized as (
    select
        labelled.*,
        coalesce(labelled.told_vcpu, template_sizes.vcpu) as vcpu,
        coalesce(labelled.told_memory_mib, template_sizes.memory_mib) as memory_mib,
        labelled.told_memory_mib is not null as tells_size
    from labelled
    left join template_sizes using (run_number)
)

select
    'e2b' as provider,
    sized.source_account,
    cast(null as varchar) as account_ref,
    sized.metadata,
    sized.sandbox_id,
    sized.execution_id,
    cast(null as varchar) as region,
    coalesce(sized.started_at, sized.ended_at) as started_at,
    sized.ended_at,
    sized.vcpu,
    sized.memory_mib,
    cast(null as bigint) as disk_mib,
    cast(null as decimal(18, 6)) as gpu,
    sized.evidence,
    nullif(concat_ws(',',
        case when sized.started_at is null then 'start_unknown' end,
        case when sized.stopped_at < sized.started_at then 'ends_before_start' end,
        case when sized.stopped_at > sized.next_started_at then 'overlaps_next_run' end,
        case when sized.has_checkpoint then 'checkpointed' end,
        case when sized.stopped_at is null then 'end_missing' end,
        case when sized.memory_mib is null then 'size_unknown' end
    ), '') as issues,
    sized.known_at,
    coalesce(repeated_ends.repeated_deliveries, 0) as repeated_deliveries,
    case when sized.stopped_by_pause then sized.next_started_at end as paused_until,
    -- Unsettled runs change without a record of their own: with the clock, or with other sandboxes.
    sized.evidence <> 'open' and sized.tells_size as is_settled
from sized
left join repeated_ends using (source_account, sandbox_id, execution_id)
