{{ config(materialized='table') }}
-- Grain: statement, instant, plan version and charge, of the billing periods under way in which something
-- was reached (int_gate_thresholds): what the charge had to price by then. The instants are the ends of
-- the UTC hours with usage (the last one not after the as-of), and the start (DECISIONS D54).
with

statements as (
    select distinct thresholds.statement_id, usage.counted_from
    from {{ ref('int_gate_thresholds') }} as thresholds
    inner join {{ ref('int_gate_usage') }} as usage using (statement_id)
),

starts as (
    select statement_id, counted_from as reached_at
    from statements
),

hours as (
    {{ charge_hours('statements', 'starts') }}
)

select
    charge_id,
    statement_id,
    reached_at,
    account_id,
    plan_id,
    plan_version,
    charge_key,
    meter_id,
    model,
    zero_usage,
    percentage_discount,
    version_number,
    included_applied,
    billable_quantity,
    billable_before,
    billable_in_period,
    cast(sum(included_applied + billable_quantity) over (
        partition by instant_id, charge_key, meter_id
    ) as decimal(38, 12)) as priced_quantity
from hours
