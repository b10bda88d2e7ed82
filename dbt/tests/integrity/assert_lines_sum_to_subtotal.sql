{{ config(meta={"dagster": {"ref": {"name": "fct_statements"}}}) }}
-- A statement whose lines do not add up to its subtotal would ask for money that nothing explains.
with

lines as (
    select statement_id, currency, cast(sum(amount_minor) as bigint) as amount_minor
    from {{ ref('fct_charges') }}
    group by all
)

select
    coalesce(statements.statement_id, lines.statement_id) as statement_id,
    statements.subtotal_minor,
    lines.amount_minor
from {{ ref('fct_statements') }} as statements
full join lines using (statement_id, currency)
where coalesce(lines.amount_minor, 0) is distinct from statements.subtotal_minor
