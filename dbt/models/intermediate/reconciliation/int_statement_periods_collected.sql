-- Grain: one account and billing period that has a statement, open or approved.
with

statements as (
    select *
    from {{ ref('fct_statements') }}
    where {{ is_reconciled_again('account_id') }}
),

approvals as (
    select *
    from {{ ref('stg_ledger__approvals') }}
    where {{ is_reconciled_again('account_id') }}
),

periods as (
    select
        account_id,
        period_start,
        period_end,
        period,
        total_minor
    from statements

    union all

    select
        account_id,
        period_start,
        period_end,
        period,
        total_minor
    from approvals
)

select
    account_id,
    period_start,
    period_end,
    min(period) as period,
    max(total_minor) as payable_minor
from periods
group by account_id, period_start, period_end
