-- Grain: one use of a credit by an approved statement, as it was approved.
select
    approval_id,
    statement_id,
    credit_id,
    cast(applied_minor as bigint) as applied_minor,
    cast(remaining_minor as bigint) as remaining_minor
from {{ source('ledger', 'ledger_credits') }}
where approval_id in (
        select approvals.approval_id from {{ ref('stg_ledger__approvals') }} as approvals
    )
