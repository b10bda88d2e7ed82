{{ config(meta={"dagster": {"ref": {"name": "fct_credit_burndown"}}}) }}
-- Over all statements each credit pays exactly what today's rating of all of them would draw from
-- it, so that approving early neither spends nor saves a customer's credit.
with

used as (
    select credit_id, cast(sum(applied_minor) as bigint) as applied_minor
    from {{ ref('fct_credit_burndown') }}
    group by credit_id
),

drawn as (
    select credit_id, cast(sum(applied_minor) as bigint) as applied_minor
    from {{ ref('int_credits_drawn') }}
    group by credit_id
)

select coalesce(used.credit_id, drawn.credit_id) as credit_id
from used
full join drawn using (credit_id)
where coalesce(used.applied_minor, 0) <> coalesce(drawn.applied_minor, 0)
