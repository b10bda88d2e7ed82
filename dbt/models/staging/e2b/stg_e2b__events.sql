-- Grain: one delivery. An event from before executions had ids belongs to the run that began at the
-- last start of its sandbox that is known; repeated deliveries of that start change nothing.
{%- set columns %}
    load_seq,
    record_number,
    known_at,
    event_id,
    event_type,
    coalesce(team_id, '') as source_account,
    sandbox_id,
    template_id,
    occurred_at,
    metadata,
    started_at as reported_start_at,
    execution_ms,
    vcpu,
    memory_mib,
    set_timeout_at
{%- endset %}
select
    {{ columns }},
    execution_id
from {{ source('e2b', 'e2b_events') }}
where execution_id <> ''

union all

select
    {{ columns }},
    'since ' || coalesce(
        last_value(case when event_type in ('created', 'resumed') then occurred_at end ignore nulls) over (
            partition by coalesce(team_id, ''), sandbox_id
            order by occurred_at, event_type in ('paused', 'killed')
            range between unbounded preceding and current row
        )::varchar,
        'before the first event'
    ) as execution_id
from {{ source('e2b', 'e2b_events') }}
where execution_id = '' and known_at <= {{ as_of() }}

union all

select
    {{ columns }},
    'not known yet' as execution_id
from {{ source('e2b', 'e2b_events') }}
where execution_id = '' and known_at > {{ as_of() }}
