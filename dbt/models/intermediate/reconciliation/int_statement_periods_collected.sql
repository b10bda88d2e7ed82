-- Grain: one account and billing period that has a statement, open or approved; its parts are one (D62).
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
        statement_id,
        account_id,
        period_start,
        period_end,
        period,
        total_minor
    from statements

    union all

    select
        statement_id,
        account_id,
        period_start,
        period_end,
        period,
        total_minor
    from approvals
),

billing_periods as (
    select
        periods.account_id,
        coalesce(parts.billing_period_start, periods.period_start) as period_start,
        coalesce(parts.billing_period_end, periods.period_end) as period_end,
        periods.period,
        periods.total_minor
    from periods
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
)

select
    account_id,
    period_start,
    period_end,
    min(period) as period,
    max(total_minor) as payable_minor
from billing_periods
group by account_id, period_start, period_end
