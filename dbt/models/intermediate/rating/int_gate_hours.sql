{{ config(materialized='table') }}
-- Grain: statement and instant, of the billing periods under way in which something was reached: what their
-- usage came to by then, after discounts and the plan's maximum, as lines of a statement are rounded. The
-- discount is that of int_discount_lines_rated.
with

amounts as (
    {{ charge_hour_amounts(ref('int_gate_charge_hours')) }}
),

lines as (
    select
        statement_id,
        reached_at,
        {{ to_minor('amount', 'currency') }}
        - {{ to_minor(percent_of('amount', 'coalesce(percentage_discount, 0)'), 'currency') }} as amount_minor
    from amounts
),

instants as (
    select statement_id, reached_at from {{ ref('int_gate_charge_hours') }}
    union
    select thresholds.statement_id, usage.counted_from as reached_at
    from {{ ref('int_gate_thresholds') }} as thresholds
    inner join {{ ref('int_gate_usage') }} as usage using (statement_id)
),

summed as (
    select
        instants.statement_id,
        instants.reached_at,
        coalesce(sum(lines.amount_minor), 0) as usage_minor
    from instants
    left join lines using (statement_id, reached_at)
    group by instants.statement_id, instants.reached_at
)

select
    summed.statement_id,
    summed.reached_at,
    cast(least(summed.usage_minor, usage.maximum_minor) as bigint) as usage_minor
from summed
inner join {{ ref('int_gate_usage') }} as usage using (statement_id)
