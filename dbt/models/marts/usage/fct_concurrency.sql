{{ config(materialized='view') }}
-- Grain: account and stretch of time with a constant number of running sandboxes, more than none; cut
-- at UTC midnight. The limit is looked up anew, because it can change without any usage.
select
    stretches.account_id,
    stretches.started_at,
    stretches.ended_at,
    stretches.running_sandboxes,
    coalesce(stretches.running_sandboxes > limits.max_concurrent_sandboxes, false) as over_limit,
    stretches.usage_date
from {{ ref('int_concurrency_stretches') }} as stretches
left join {{ ref('int_concurrency_limits') }} as limits
    on stretches.account_id = limits.account_id
    and stretches.started_at >= limits.from_at
    and stretches.started_at < limits.to_at
