{{ config(meta={"dagster": {"ref": {"name": "fct_statements"}}}) }}
-- Holds for every statement, approved or not; a breach would be a wrong amount on an invoice.
with

credits as (
    select statement_id, cast(sum(applied_minor) as bigint) as applied_minor
    from {{ ref('fct_credit_burndown') }}
    group by statement_id
)

select statements.statement_id
from {{ ref('fct_statements') }} as statements
left join credits using (statement_id)
where
    statements.total_minor <> statements.subtotal_minor - statements.credits_minor
    or statements.credits_minor <> coalesce(credits.applied_minor, 0)
