{{ config(meta={"dagster": {"ref": {"name": "fct_charges"}}}) }}
-- Amounts of different currencies never add. A plan that changes its currency within a period, or
-- between an approval and its correction, needs a new plan and subscription instead.
select statements.statement_id, lines.charge_id
from {{ ref('fct_statements') }} as statements
inner join {{ ref('fct_charges') }} as lines using (statement_id)
where statements.currency <> lines.currency
