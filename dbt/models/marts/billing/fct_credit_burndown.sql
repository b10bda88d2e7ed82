{{ config(materialized='view') }}
-- Grain: use of a credit by a statement; key (credit_id, statement_id). Below zero: given back,
-- because a correction made an approved statement smaller. Approved uses are the ledger's.
with

approved as (
    select
        credits.credit_id,
        credits.statement_id,
        credits.applied_minor,
        credits.remaining_minor,
        approvals.account_id
    from {{ ref('stg_ledger__credits') }} as credits
    inner join {{ ref('stg_ledger__approvals') }} as approvals using (approval_id)
),

applied as (
    select credit_id, statement_id, applied_minor, remaining_minor, account_id
    from {{ ref('int_credits_applied') }}
)

select * from approved
union all
select * from applied
