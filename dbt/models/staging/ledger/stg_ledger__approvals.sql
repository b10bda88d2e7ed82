-- Grain: one approved statement, of those approved by the as-of time.
select
    approval_id,
    statement_id,
    account_id,
    subscription_id,
    period,
    cast(period_start as timestamptz) as period_start,
    cast(period_end as timestamptz) as period_end,
    currency,
    cast(subtotal_minor as bigint) as subtotal_minor,
    cast(credits_minor as bigint) as credits_minor,
    cast(total_minor as bigint) as total_minor,
    digest,
    approved_by,
    cast(approved_at as timestamptz) as approved_at,
    note
from {{ source('ledger', 'ledger_approvals') }}
where cast(approved_at as timestamptz) <= {{ as_of() }}
