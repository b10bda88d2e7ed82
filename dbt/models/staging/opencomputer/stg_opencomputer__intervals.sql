-- Grain: one scale event, in the shape every interval source has.
-- vCPU comes from the size's tier, not from cpu_percent, on which the provider's own writers disagree
-- (DECISIONS.md, "OpenComputer vCPU"); a size outside the tiers keeps the reported value.
with

counted as (
    select states.*
    from {{ ref('stg_opencomputer__scale_events') }} as states
    anti join {{ ref('stg_opencomputer__set_aside') }} as set_aside
        on states.load_seq = set_aside.load_seq and states.record_number = set_aside.record_number
    where states.known_at <= {{ as_of() }}
    {{ and_touched('states', 'opencomputer') }}
),

tiers as (
    select
        unnest([1024, 4096, 8192, 16384, 32768, 65536]) as memory_mib,
        unnest([1, 1, 2, 4, 8, 16]) as vcpu
),

placed as (
    select
        *,
        lead(started_at) over (
            partition by source_account, sandbox_id order by started_at, execution_id
        ) as next_started_at
    from counted
),

repetitions as (
    select source_account, sandbox_id, execution_id, count(*)::integer as repeated_deliveries
    from {{ ref('stg_opencomputer__set_aside') }}
    where provider = 'opencomputer' and disposition = 'duplicate'
    group by all
)

select
    'opencomputer' as provider,
    placed.source_account,
    cast(null as varchar) as account_ref,
    cast(null as varchar) as metadata,
    placed.sandbox_id,
    placed.execution_id,
    cast(null as varchar) as region,
    placed.started_at,
    least(placed.ended_at, placed.next_started_at, {{ as_of() }}) as ended_at,
    coalesce(
        cast(tiers.vcpu as decimal(18, 6)),
        cast(placed.cpu_percent * cast(0.01 as decimal(2, 2)) as decimal(18, 6))
    ) as vcpu,
    placed.memory_mib,
    placed.disk_mib,
    cast(null as decimal(18, 6)) as gpu,
    {{ evidence_of_state('placed') }} as evidence,
    nullif(concat_ws(',',
        {{ issues_of_state('placed') }},
        case when tiers.memory_mib is null then 'size_outside_tiers' end,
        case when tiers.vcpu * 100 <> placed.cpu_percent then 'vcpu_disagrees_with_tier' end
    ), '') as issues,
    placed.known_at,
    coalesce(repetitions.repeated_deliveries, 0) as repeated_deliveries,
    cast(null as timestamptz) as paused_until,
    placed.ended_at is not null as is_settled
from placed
left join tiers using (memory_mib)
left join repetitions using (source_account, sandbox_id, execution_id)
