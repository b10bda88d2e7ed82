{{ config(materialized='table') }}
-- Grain: one delivery of a sandbox whose intervals this build must make again, so that the wide columns of
-- all events are read once for what needs these. Empty in a full build, which reads every event anyway.
-- Found by the sandbox alone first: of one column the scan knows the wanted values before it reads the others.
select events.*
from {{ ref('stg_e2b__events') }} as events
semi join {{ ref('stg_compute__touched_sandboxes') }} as sandboxes using (sandbox_id)
where
    {{ 'false' if flags.FULL_REFRESH else 'events.known_at <= ' ~ as_of() }}
    {{ and_touched('events', 'e2b') }}
