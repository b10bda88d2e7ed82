{{ config(materialized='view') }}
-- Grain: one stretch of constant size and account of one run of a sandbox, longer than nothing.
select
    {{ compute_interval_id('intervals') }} as interval_id,
    provider,
    account_id,
    sandbox_id,
    execution_id,
    started_at,
    ended_at,
    cast(us * 0.000001::decimal(6, 6) as decimal(38, 16)) as seconds,
    vcpu,
    memory_mib,
    disk_mib,
    gpu,
    evidence,
    region,
    source_account,
    dimensions
from {{ ref('int_compute_intervals_counted') }} as intervals
where us > 0
