-- Grain: one scale event, in the shape every interval source has.
-- vCPU comes from the size's tier, not from cpu_percent, on which the provider's own writers disagree
-- (DECISIONS.md, "OpenComputer vCPU"); a size outside the tiers keeps the reported value.
with

counted as (
    {{ counted_states(ref('stg_opencomputer__scale_events'), ref('stg_opencomputer__set_aside'), 'opencomputer') }}
),

tiers as (
    select
        unnest([1024, 4096, 8192, 16384, 32768, 65536]) as memory_mib,
        unnest([1, 1, 2, 4, 8, 16]) as tier_vcpu
),

placed as (
    select
        counted.*,
        tiers.tier_vcpu,
        cast(null as varchar) as account_ref,
        cast(null as varchar) as metadata,
        cast(null as varchar) as region,
        coalesce(
            cast(tiers.tier_vcpu as decimal(18, 6)),
            cast(counted.cpu_percent * cast(0.01 as decimal(2, 2)) as decimal(18, 6))
        ) as vcpu,
        cast(null as decimal(18, 6)) as gpu,
        lead(counted.started_at) over (
            partition by counted.source_account, counted.sandbox_id order by counted.started_at, counted.execution_id
        ) as next_started_at
    from counted
    left join tiers using (memory_mib)
)

{%- set issues -%}
{{ issues_of_state('placed') }},
        case when placed.tier_vcpu is null then 'size_outside_tiers' end,
        case when placed.tier_vcpu * 100 <> placed.cpu_percent then 'vcpu_disagrees_with_tier' end
{%- endset %}

{{ intervals_of_states('placed', ref('stg_opencomputer__set_aside'), 'opencomputer', issues=issues) }}
