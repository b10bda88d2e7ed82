-- Grain: one record of a cloudevents/ file that must not count. Records with the same source and id are
-- one event: the one with the earliest time counts, among equals the first by content (DECISIONS D37). Of a
-- voided event none counts (DECISIONS D41).
with

told as (
    select
        events.*,
        loads.content_sha256
    from {{ ref('stg_cloudevents__events') }} as events
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where events.known_at <= {{ as_of() }}
),

ranked as (
    select
        *,
        row_number() over earliest_first as state_number,
        first_value(content) over earliest_first as counted_content
    from told
    {{ anti_join_voided() }}
    window earliest_first as (
        partition by event_source, event_id
        order by occurred_at, content, content_sha256, record_number
    )
)

select
    load_seq,
    record_number,
    event_source,
    event_id,
    'duplicate' as disposition,
    content <> counted_content as is_other_content
from ranked
where state_number > 1

union all

select
    told.load_seq,
    told.record_number,
    told.event_source,
    told.event_id,
    'superseded' as disposition,
    false as is_other_content
from told
inner join {{ ref('stg_corrections__corrected_records') }} as corrected
    on told.load_seq = corrected.load_seq and told.record_number = corrected.record_number
where corrected.action = 'void'
