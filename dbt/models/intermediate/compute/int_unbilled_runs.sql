{{ config(materialized='table') }}
-- Grain: one run of a sandbox, as one source tells it, that bills nothing, with the disposition of its
-- records: told by another source too, of no length, of no account, or of an account that had no plan.
with

subscribed as (
    select account_id, min(segment_start) as first_at, max(segment_end) as last_at
    from {{ ref('int_account_segments') }}
    group by account_id
),

-- Read twice, the first time for two columns of its own: cheaper than keeping all of it.
intervals as not materialized (
    select
        intervals.record_source,
        intervals.provider,
        intervals.source_account,
        intervals.sandbox_id,
        intervals.execution_id,
        intervals.account_id,
        intervals.us,
        list_contains(string_split(intervals.issues, ','), 'told_by_another_source') as is_told_elsewhere,
        intervals.us > 0 and subscribed.account_id is not null as bills
    from {{ ref('int_compute_intervals_counted') }} as intervals
    left join subscribed
        on intervals.account_id = subscribed.account_id
        and intervals.started_at < subscribed.last_at
        and intervals.ended_at > subscribed.first_at
),

-- Most runs bill. So the sandboxes with an interval that does not are found first, then their runs.
looked_into as (
    select distinct sandbox_id
    from intervals
    where not bills
)

select
    record_source,
    provider,
    source_account,
    sandbox_id,
    execution_id,
    case
        when max(us) = 0 and bool_or(is_told_elsewhere) then 'superseded'
        when max(us) = 0 then 'not_billable'
        when bool_and(account_id = 'unattributed' or us = 0) then 'unattributed'
        else 'not_billable'
    end as disposition
from intervals
semi join looked_into using (sandbox_id)
group by record_source, provider, source_account, sandbox_id, execution_id
having not bool_or(bills)
