{{ config(materialized='ephemeral') }}
-- Grain: approved statement; the statement that takes its corrections: of the subscription's periods
-- that are not approved and end later the first, whether or not the subscription still runs by then
-- (DECISIONS D50). Where the anchor or the interval changed since, the periods overlap what was approved.
with

approvals as (
    select statement_id, subscription_id, period_end
    from {{ ref('stg_ledger__approvals') }}
),

open_periods as (
    select periods.*
    from {{ ref('int_statement_periods') }} as periods
    anti join approvals using (statement_id)
)

select
    approvals.statement_id as corrected_statement_id,
    arg_min(open_periods.statement_id, open_periods.period_start) as statement_id,
    arg_min(open_periods.account_id, open_periods.period_start) as account_id
from approvals
inner join open_periods
    on approvals.subscription_id = open_periods.subscription_id
    and approvals.period_end < open_periods.period_end
group by approvals.statement_id
