{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: account, code and stretch of time in which the account ran more than the version of its plan in
-- force allows. plan_limit_concurrency: a stretch of constant count (cut at UTC midnight and where
-- another limit begins); plan_limit_size: a stretch of one running sandbox whose memory is none of the
-- plan's sizes. A size that is not known violates nothing (DECISIONS D19, D53).
with

concurrency as (
    select
        stretches.account_id,
        'plan_limit_concurrency' as code,
        greatest(stretches.started_at, limits.from_at) as started_at,
        least(stretches.ended_at, limits.to_at) as ended_at,
        stretches.running_sandboxes,
        limits.max_concurrent_sandboxes,
        cast(null as varchar) as interval_id,
        cast(null as varchar) as provider,
        cast(null as varchar) as sandbox_id,
        cast(null as bigint) as memory_mib,
        cast(null as varchar) as allowed_memory_mib,
        limits.plan_id,
        limits.plan_version,
        stretches.running_sandboxes - limits.max_concurrent_sandboxes as sandboxes_over
    from {{ ref('int_concurrency_stretches') }} as stretches
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('int_concurrency_limits') }} as limits
        on stretches.account_id = limits.account_id
        and stretches.running_sandboxes > limits.max_concurrent_sandboxes
        and stretches.started_at < limits.to_at
        and stretches.ended_at > limits.from_at
),

size_limits as (
    select segments.*, versions.allowed_memory_mib
    from {{ ref('int_account_segments') }} as segments
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('int_price_versions') }} as versions using (plan_id, plan_version)
    where versions.allowed_memory_mib is not null
),

sizes as (
    select
        intervals.account_id,
        'plan_limit_size' as code,
        greatest(intervals.started_at, size_limits.segment_start) as started_at,
        least(intervals.ended_at, size_limits.segment_end) as ended_at,
        cast(null as integer) as running_sandboxes,
        cast(null as integer) as max_concurrent_sandboxes,
        {{ compute_interval_id('intervals') }} as interval_id,
        intervals.provider,
        intervals.sandbox_id,
        intervals.memory_mib,
        cast(to_json(size_limits.allowed_memory_mib) as varchar) as allowed_memory_mib,
        size_limits.plan_id,
        size_limits.plan_version,
        1 as sandboxes_over
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join size_limits
        on intervals.account_id = size_limits.account_id
        and intervals.started_at < size_limits.segment_end
        and intervals.ended_at > size_limits.segment_start
    where
        intervals.us > 0
        and {{ is_running('intervals') }}
        and not list_contains(size_limits.allowed_memory_mib, intervals.memory_mib)
),

violations as (
    select * from concurrency
    union all
    select * from sizes
)

select
    account_id,
    code,
    started_at,
    ended_at,
    cast((epoch_us(ended_at) - epoch_us(started_at)) * 0.000001::decimal(6, 6) as decimal(38, 16))
        as seconds,
    cast(
        sandboxes_over * (epoch_us(ended_at) - epoch_us(started_at)) * 0.000001::decimal(6, 6)
        as decimal(38, 16)
    ) as over_limit_sandbox_seconds,
    running_sandboxes,
    max_concurrent_sandboxes,
    interval_id,
    provider,
    sandbox_id,
    memory_mib,
    allowed_memory_mib,
    plan_id,
    plan_version
from violations
