-- Grain: one run of a sandbox, or one stored level, and one thing about it that a person should
-- know.
with

issues as (
    select
        provider,
        source_account,
        sandbox_id,
        execution_id,
        min(account_id) as account_id,
        min(started_at) as started_at,
        max(ended_at) as ended_at,
        string_split(issues, ',') as every_issue
    from {{ ref('int_compute_intervals') }}
    where issues is not null
    group by provider, source_account, sandbox_id, execution_id, issues
)

select
    unnest(every_issue) as issue,
    account_id,
    provider,
    source_account,
    sandbox_id,
    execution_id,
    started_at,
    ended_at
from issues

union all

-- A stored level: its bucket or account reference, its prefix or resource, and when it was seen.
select
    issue,
    min(account_id) as account_id,
    case resource_kind when 'gauge' then 'gauges' else 'storage' end as provider,
    owner as source_account,
    resource_id as sandbox_id,
    strftime(sampled_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') as execution_id,
    min(started_at) as started_at,
    max(ended_at) as ended_at
from {{ ref('int_storage_intervals') }}
where issue is not null
group by issue, owner, resource_id, is_rest, resource_kind, sampled_at
