{{ config(meta={"dagster": {"ref": {"name": "fct_reconciliation"}}}) }}
-- Every metered line of today's rating must be in the reconciliation once: a line that is missing
-- there is never compared with Stripe, and one that is there twice looks like revenue that was
-- lost.
with

rated as (
    select
        account_id,
        sum(amount_minor) as amount_minor,
        sum(quantity) as quantity
    from {{ ref('int_lines_rated') }}
    where meter_id is not null
    group by account_id
),

reconciled as (
    select
        account_id,
        sum(warehouse_amount_minor) as amount_minor,
        sum(warehouse_quantity) as quantity
    from {{ ref('fct_reconciliation') }}
    group by account_id
)

select
    coalesce(rated.account_id, reconciled.account_id) as account_id,
    rated.amount_minor as rated_minor,
    reconciled.amount_minor as reconciled_minor,
    rated.quantity as rated_quantity,
    reconciled.quantity as reconciled_quantity
from rated
full outer join reconciled on rated.account_id = reconciled.account_id
where
    coalesce(rated.amount_minor, 0) <> coalesce(reconciled.amount_minor, 0)
    or coalesce(rated.quantity, 0) <> coalesce(reconciled.quantity, 0)
