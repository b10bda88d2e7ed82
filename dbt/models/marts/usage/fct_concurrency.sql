{{ config(materialized='view') }}
-- Grain: account and stretch of time with a constant number of running sandboxes, more than none; cut
-- at UTC midnight and where another limit begins, so that a stretch is wholly over its limit or not. The
-- limit is looked up anew, because it can change without any usage.
with

limits as (
    select
        *,
        lag(to_at) over in_time = from_at
        and lag(max_concurrent_sandboxes) over in_time = max_concurrent_sandboxes as goes_on,
        lead(from_at) over in_time = to_at as is_followed
    from {{ ref('int_concurrency_limits') }}
    window in_time as (partition by account_id order by from_at)
),

changes as (
    select account_id, from_at as changes_at
    from limits
    where goes_on is not true
    union all
    select account_id, to_at as changes_at
    from limits
    where is_followed is not true
),

-- Few: most limits begin and end when nothing runs, or at midnight.
cuts as (
    select
        stretches.account_id,
        stretches.started_at,
        list_sort(list(changes.changes_at)) as instants
    from {{ ref('int_concurrency_stretches') }} as stretches
    inner join changes
        on stretches.account_id = changes.account_id
        and stretches.started_at < changes.changes_at
        and stretches.ended_at > changes.changes_at
    group by stretches.account_id, stretches.started_at
),

pieces as (
    select account_id, started_at, ended_at, running_sandboxes, usage_date
    from {{ ref('int_concurrency_stretches') }}
    anti join cuts using (account_id, started_at)
    union all
    select
        stretches.account_id,
        unnest(list_prepend(stretches.started_at, cuts.instants)) as started_at,
        unnest(list_append(cuts.instants, stretches.ended_at)) as ended_at,
        stretches.running_sandboxes,
        stretches.usage_date
    from {{ ref('int_concurrency_stretches') }} as stretches
    inner join cuts using (account_id, started_at)
)

select
    pieces.account_id,
    pieces.started_at,
    pieces.ended_at,
    pieces.running_sandboxes,
    coalesce(pieces.running_sandboxes > limits.max_concurrent_sandboxes, false) as over_limit,
    pieces.usage_date
from pieces
left join limits
    on pieces.account_id = limits.account_id
    and pieces.started_at >= limits.from_at
    and pieces.started_at < limits.to_at
