-- Grain: one usage period, in the shape every interval source has.
with

counted as (
    select periods.*
    from {{ ref('stg_daytona__usage_periods') }} as periods
    anti join {{ ref('stg_daytona__set_aside') }} as set_aside
        on periods.load_seq = set_aside.load_seq and periods.record_number = set_aside.record_number
    where periods.known_at <= {{ as_of() }}
    {{ and_touched('periods', 'daytona') }}
),

placed as (
    select
        *,
        lead(started_at) over (partition by source_account, sandbox_id order by started_at) as next_started_at
    from counted
),

repetitions as (
    select source_account, sandbox_id, execution_id, count(*)::integer as repeated_deliveries
    from {{ ref('stg_daytona__set_aside') }}
    where disposition = 'duplicate'
    group by all
)

select
    'daytona' as provider,
    placed.source_account,
    cast(null as varchar) as account_ref,
    cast(null as varchar) as metadata,
    placed.sandbox_id,
    placed.execution_id,
    placed.region,
    placed.started_at,
    least(placed.ended_at, placed.next_started_at, {{ as_of() }}) as ended_at,
    placed.vcpu,
    placed.memory_mib,
    placed.disk_mib,
    placed.gpu,
    {{ evidence_of_state('placed') }} as evidence,
    nullif(concat_ws(',', {{ issues_of_state('placed') }}), '') as issues,
    placed.known_at,
    coalesce(repetitions.repeated_deliveries, 0) as repeated_deliveries,
    cast(null as timestamptz) as paused_until,
    placed.ended_at is not null as is_settled
from placed
left join repetitions using (source_account, sandbox_id, execution_id)
