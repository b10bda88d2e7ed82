{{ config(
    materialized='incremental', incremental_strategy='append', as_written=['sandbox_id', 'execution_id'],
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one stretch of constant size and account of one run of a sandbox, as one source tells it;
-- zero-length ones are kept here (they tell why a record bills nothing) and left out of
-- fct_compute_intervals. What counts of them: int_compute_intervals_counted.
-- depends_on: {{ ref('stg_compute__touched_sandboxes') }}
-- depends_on: {{ ref('int_compute_intervals_before') }}
with

attributed as (
    select
        runs.* exclude (account_ref, metadata, started_at, ended_at),
        shared.sandbox_id is not null as is_shared,
        assignments.account_id,
        greatest(runs.started_at, assignments.valid_from) as started_at,
        least(greatest(runs.ended_at, runs.started_at), assignments.valid_to) as ended_at
    from {{ ref('int_compute_runs') }} as runs
    inner join {{ ref('int_account_references') }} as account_references
        on runs.provider = account_references.provider
        and runs.source_account = account_references.source_account
        and runs.account_ref is not distinct from account_references.account_ref
        and runs.metadata is not distinct from account_references.metadata
    inner join {{ ref('int_account_assignments') }} as assignments
        on account_references.account_reference = assignments.account_reference
        and runs.started_at < assignments.valid_to
        and (
            runs.ended_at > assignments.valid_from
            or (runs.ended_at <= runs.started_at and runs.started_at >= assignments.valid_from)
        )
    left join {{ ref('stg_compute__shared_sandboxes') }} as shared
        on runs.provider = shared.provider and runs.sandbox_id = shared.sandbox_id
)

select
    record_source,
    provider,
    source_account,
    sandbox_id,
    execution_id,
    account_id,
    started_at,
    ended_at,
    epoch_us(ended_at) - epoch_us(started_at) as us,
    vcpu,
    memory_mib,
    disk_mib,
    gpu,
    region,
    {{ compute_dimensions() }} as dimensions,
    evidence,
    issues,
    known_at,
    repeated_deliveries,
    paused_until,
    is_settled,
    is_shared
from attributed
