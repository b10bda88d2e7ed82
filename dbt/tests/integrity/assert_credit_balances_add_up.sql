{{ config(meta={"dagster": {"ref": {"name": "fct_credit_balances"}}}) }}
-- Money granted is used, has expired, or is still there; a breach would be money made or lost.
select credit_id
from {{ ref('fct_credit_balances') }}
where
    granted_minor <> applied_minor + expired_minor + remaining_minor
    or remaining_minor < 0
    or expired_minor < 0
