{{ config(meta={"dagster": {"ref": {"name": "fct_statements"}}}) }}
-- An approved statement never changes: totals, digest, lines, tiers and credits are the ledger's,
-- and the lines frozen there still add up to the total that was approved.
with

ledger_lines as (
    select statement_id, count(*) as line_count, cast(sum(amount_minor) as bigint) as subtotal_minor
    from {{ ref('stg_ledger__lines') }}
    group by statement_id
),

mart_lines as (
    select
        lines.statement_id,
        count(*) as line_count,
        cast(sum(lines.amount_minor) as bigint) as subtotal_minor
    from {{ ref('fct_charges') }} as lines
    semi join {{ ref('stg_ledger__lines') }} as frozen
        on lines.charge_id = frozen.charge_id
        and lines.amount = frozen.amount
        and lines.quantity is not distinct from frozen.quantity
    group by lines.statement_id
),

ledger_credits as (
    select statement_id, cast(sum(applied_minor) as bigint) as credits_minor
    from {{ ref('stg_ledger__credits') }}
    group by statement_id
)

select approvals.statement_id
from {{ ref('stg_ledger__approvals') }} as approvals
left join {{ ref('fct_statements') }} as statements using (statement_id)
left join ledger_lines using (statement_id)
left join mart_lines using (statement_id)
left join ledger_credits using (statement_id)
where
    statements.digest is distinct from approvals.digest
    or statements.subtotal_minor is distinct from approvals.subtotal_minor
    or statements.credits_minor is distinct from approvals.credits_minor
    or statements.total_minor is distinct from approvals.total_minor
    or coalesce(ledger_lines.subtotal_minor, 0) <> approvals.subtotal_minor
    or coalesce(ledger_credits.credits_minor, 0) <> approvals.credits_minor
    or ledger_lines.line_count is distinct from mart_lines.line_count
    or ledger_lines.subtotal_minor is distinct from mart_lines.subtotal_minor
