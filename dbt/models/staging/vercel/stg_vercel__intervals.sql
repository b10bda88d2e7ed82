-- Grain: one session that has started, in the shape every interval source has. Its size is what is
-- allocated: the provider's own bill counts active CPU time instead of cores (DECISIONS D43).
with

counted as (
    select sessions.*
    from {{ ref('stg_vercel__sessions') }} as sessions
    anti join {{ ref('stg_vercel__set_aside') }} as set_aside
        on sessions.load_seq = set_aside.load_seq and sessions.record_number = set_aside.record_number
    where sessions.known_at <= {{ as_of() }} and sessions.started_at is not null
    {{ and_touched('sessions', 'vercel') }}
),

closed as (
    select *, coalesce(ended_at <= {{ as_of() }}, false) as is_closed
    from counted
),

repetitions as (
    select source_account, sandbox_id, execution_id, cast(count(*) as integer) as repeated_deliveries
    from {{ ref('stg_vercel__set_aside') }}
    where disposition = 'duplicate'
    group by all
)

select
    'vercel' as provider,
    closed.source_account,
    closed.account_ref,
    closed.metadata,
    closed.sandbox_id,
    closed.execution_id,
    closed.region,
    closed.started_at,
    least(closed.ended_at, {{ as_of() }}) as ended_at,
    closed.vcpu,
    closed.memory_mib,
    -- Nothing is told of a disk, and what is not known is not zero.
    cast(null as bigint) as disk_mib,
    cast(null as decimal(18, 6)) as gpu,
    case
        when not closed.is_closed then 'open'
        when closed.end_is_told then 'observed'
        else 'inferred'
    end as evidence,
    nullif(concat_ws(',',
        case when closed.ended_at < closed.started_at then 'ends_before_start' end,
        case when closed.ended_at is not null and not closed.end_is_told then 'end_missing' end
    ), '') as issues,
    closed.known_at,
    coalesce(repetitions.repeated_deliveries, 0) as repeated_deliveries,
    cast(null as timestamptz) as paused_until,
    closed.is_closed as is_settled
from closed
left join repetitions using (source_account, sandbox_id, execution_id)
