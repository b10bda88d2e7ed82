-- Grain: one run of a sandbox, or one event, and one thing about it that a person should know.
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

select
    issue,
    account_id,
    'cloudevents' as provider,
    event_source as source_account,
    event_type as sandbox_id,
    event_id as execution_id,
    occurred_at as started_at,
    occurred_at as ended_at
from {{ ref('int_event_issues') }}
