{{ config(meta={"dagster": {"ref": {"name": "int_gate_hours"}}}) }}
-- The running amount of a period ends at what the statement says of the same usage: a gate that is rated
-- in another way than the statement would tell the customer something false.
with

last_instants as (
    select
        statement_id,
        arg_max(usage_minor, reached_at) as usage_minor
    from {{ ref('int_gate_hours') }}
    group by statement_id
)

select usage.account_id
from {{ ref('int_gate_usage') }} as usage
semi join {{ ref('int_gate_thresholds') }} as thresholds using (statement_id)
left join last_instants using (statement_id)
where usage.usage_minor is distinct from last_instants.usage_minor
