-- Grain: one row of a dump: a scale event as that dump showed it.
select
    load_seq,
    record_number,
    known_at,
    org_id as source_account,
    sandbox_id,
    event_id as execution_id,
    memory_mib,
    cpu_percent,
    disk_mib,
    started_at,
    ended_at,
    -- All that a dump says of the event: equal text is a repetition, other text a newer state.
    concat_ws('|', memory_mib, cpu_percent, disk_mib, epoch_us(started_at), epoch_us(ended_at)) as content
from {{ source('opencomputer', 'opencomputer_scale_events') }}
