{{ config(meta={"dagster": {"ref": {"name": "fct_reconciliation"}}}) }}
-- Every metered line of today's rating must be in the reconciliation once: a line that is missing
-- there is never compared with Stripe, and one that is there twice looks like revenue that was
-- lost.
-- Amounts by currency; those of a row without one are not there.
with

rated as (
    select
        account_id,
        currency,
        sum(amount_minor) as amount_minor,
        sum(quantity) as quantity
    from {{ ref('int_lines_rated') }}
    where meter_id is not null
    group by account_id, currency
),

reconciled as (
    select
        account_id,
        currency,
        sum(warehouse_amount_minor) as amount_minor,
        sum(warehouse_quantity) as quantity
    from {{ ref('fct_reconciliation') }}
    group by account_id, currency
),

mixed as (
    select distinct account_id
    from {{ ref('fct_reconciliation') }}
    where warehouse_amount_minor is null
),

rated_quantities as (
    select account_id, sum(quantity) as quantity
    from rated
    group by account_id
),

reconciled_quantities as (
    select account_id, sum(quantity) as quantity
    from reconciled
    group by account_id
)

select
    coalesce(rated.account_id, reconciled.account_id) as account_id,
    'amount' as what
from rated
full outer join reconciled on rated.account_id = reconciled.account_id and rated.currency = reconciled.currency
anti join mixed on coalesce(rated.account_id, reconciled.account_id) = mixed.account_id
where coalesce(rated.amount_minor, 0) <> coalesce(reconciled.amount_minor, 0)

union all

select
    coalesce(rated_quantities.account_id, reconciled_quantities.account_id) as account_id,
    'quantity' as what
from rated_quantities
full outer join reconciled_quantities using (account_id)
where coalesce(rated_quantities.quantity, 0) <> coalesce(reconciled_quantities.quantity, 0)
