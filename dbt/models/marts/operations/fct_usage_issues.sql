-- Grain: one run of a sandbox, window of a provider's totals, stored level, event, subscription or credit, and one
-- thing about it that a person should know.
with

run_issues as (
    select
        unnest(string_split(issues, ',')) as issue,
        provider,
        source_account,
        sandbox_id,
        execution_id,
        account_id,
        started_at,
        ended_at
    from {{ ref('int_compute_intervals_counted') }}
    where issues is not null
),

window_issues as (
    select
        totals.*,
        assignments.account_id,
        unnest(list_filter([
            case when totals.standing = 'counted' and not totals.is_final then 'window_not_final' end,
            case when totals.standing = 'counted' and totals.quantity < 0 then 'window_corrected' end,
            case when totals.standing = 'overlapped' then 'window_overlapped' end,
            case when totals.is_partly_covered then 'window_partly_covered' end
        ], lambda issue: issue is not null)) as issue
    from {{ ref('int_provider_totals_placed') }} as totals
    inner join {{ ref('int_account_assignments') }} as assignments
        on totals.account_reference = assignments.account_reference
        and totals.step_start >= assignments.valid_from
        and totals.step_start < assignments.valid_to
)

select
    issue,
    min(account_id) as account_id,
    provider,
    source_account,
    sandbox_id,
    execution_id,
    min(started_at) as started_at,
    max(ended_at) as ended_at
from run_issues
group by issue, provider, source_account, sandbox_id, execution_id

union all

select
    issue,
    account_id,
    provider,
    source_account,
    '' as sandbox_id,
    {{ utc_text('window_start') }} || '/' || {{ utc_text('window_end') }} as execution_id,
    min(step_start) as started_at,
    max(step_end) as ended_at
from window_issues
group by issue, account_id, provider, source_account, window_start, window_end

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

union all

-- Of an account that nobody knows the name stands in source_account only.
select
    issues.issue,
    accounts.account_id,
    'subscriptions' as provider,
    issues.account_id as source_account,
    issues.plan_id as sandbox_id,
    issues.subscription_id as execution_id,
    issues.started_at,
    issues.ended_at
from {{ ref('int_subscription_issues') }} as issues
left join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)

union all

select
    issue,
    case when issue <> 'credit_account_unknown' then account_id end as account_id,
    'credits' as provider,
    account_id as source_account,
    '' as sandbox_id,
    credit_id as execution_id,
    effective_at as started_at,
    expires_at as ended_at
from {{ ref('fct_credit_balances') }}
where issue is not null
