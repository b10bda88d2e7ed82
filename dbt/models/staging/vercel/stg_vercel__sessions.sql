-- Grain: one session of an answer of the API, as that answer showed it. A session is a machine of its
-- own: it is the sandbox here, whatever the name of the sandbox that it resumes (DECISIONS D43). A session
-- does not say whose team it is of; its project is the account reference.
with

sessions as (
    select
        *,
        least(stopped_at, aborted_at) as told_end_at,
        make_timestamptz(epoch_us(started_at) + 1000 * duration_ms) as lasted_until,
        status in ('stopped', 'failed', 'aborted') as is_over
    from {{ source('vercel', 'vercel_sessions') }}
)

select
    load_seq,
    record_number,
    known_at,
    '' as source_account,
    project_id as account_ref,
    case when sandbox_name is not null then cast(json_object('sourceSandboxName', sandbox_name) as varchar) end
        as metadata,
    session_id as sandbox_id,
    session_id as execution_id,
    region,
    vcpu,
    memory_mib,
    started_at,
    coalesce(told_end_at, case when is_over then coalesce(lasted_until, updated_at) end) as ended_at,
    coalesce(told_end_at, lasted_until) is not null as end_is_told,
    updated_at,
    -- All that is told of the session; of two states of one update an ended one sorts last.
    concat_ws(
        '|', coalesce(epoch_us(told_end_at), -1), epoch_us(updated_at), coalesce(epoch_us(started_at), -1),
        coalesce(epoch_us(stopped_at), -1), coalesce(epoch_us(aborted_at), -1), coalesce(duration_ms, -1), vcpu,
        memory_mib, cast(to_json([status, project_id, sandbox_name, region]) as varchar)
    ) as content
from sessions
