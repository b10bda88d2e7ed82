{{ config(materialized='table') }}
-- Grain: one run of a sandbox that bills nothing, with the disposition of its records: of no length,
-- of no account, or of an account that had no plan at the time.
with

subscribed as (
    select account_id, min(segment_start) as first_at, max(segment_end) as last_at
    from {{ ref('int_billing_segments') }}
    group by account_id
)

select
    intervals.provider,
    intervals.source_account,
    intervals.sandbox_id,
    intervals.execution_id,
    case
        when max(intervals.us) = 0 then 'not_billable'
        when bool_and(intervals.account_id = 'unattributed' or intervals.us = 0) then 'unattributed'
        else 'not_billable'
    end as disposition
from {{ ref('int_compute_intervals') }} as intervals
left join subscribed
    on intervals.account_id = subscribed.account_id
    and intervals.started_at < subscribed.last_at
    and intervals.ended_at > subscribed.first_at
group by all
having bool_and(intervals.us = 0 or subscribed.account_id is null)
