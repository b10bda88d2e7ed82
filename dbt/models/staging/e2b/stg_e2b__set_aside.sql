{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one delivery that must not count: the same event again (the delivery known first counts),
-- or a second end of a run that had already ended; or every delivery of an event that a correction voids.
-- Few runs have any, so they are found by counting each run's events, by a number made of its names
-- (runs that share one are looked into for nothing), and only those are looked into.
{%- set run_hash = 'hash(source_account, sandbox_id, execution_id)' %}
with

-- Read twice: cheaper than keeping a copy of all of them.
events as not materialized (
    select
        load_seq,
        record_number,
        known_at,
        source_account,
        sandbox_id,
        execution_id,
        event_id,
        event_type,
        occurred_at
    from {{ e2b_events_made_again() }} as events
    {{ anti_join_voided() }}
    where events.known_at <= {{ as_of() }}
),

repetitive_runs as (
    select {{ run_hash }} as run_hash
    from events
    group by run_hash
    having
        count(*) filter (event_type in ('created', 'resumed')) > 1
        or count(*) filter (event_type in ('paused', 'killed')) > 1
        or count(*) filter (event_type = 'updated') > 1
        or count(*) filter (event_type = 'checkpointed') > 1
),

deliveries as (
    select
        events.*,
        row_number() over (
            partition by source_account, sandbox_id, execution_id, event_id
            order by known_at, content_sha256, record_number
        ) as delivery
    from events
    semi join repetitive_runs
        on {{ run_hash }} = repetitive_runs.run_hash
    inner join {{ ref('stg_landing__loads') }} using (load_seq)
),

ends as (
    select
        *,
        row_number() over (
            partition by source_account, sandbox_id, execution_id
            order by occurred_at, event_type, event_id
        ) as end_number
    from deliveries
    where delivery = 1 and event_type in ('paused', 'killed')
),

set_aside as (
    select load_seq, record_number, source_account, sandbox_id, execution_id, event_type, 'duplicate' as disposition
    from deliveries
    where delivery > 1
    union all
    select load_seq, record_number, source_account, sandbox_id, execution_id, event_type, 'not_billable' as disposition
    from ends
    where end_number > 1
)

select
    'e2b' as provider,
    source_account,
    sandbox_id,
    execution_id,
    load_seq,
    record_number,
    disposition,
    event_type in ('paused', 'killed') as is_end
from set_aside

union all

{{ voided_records('e2b') }}
