{{ config(materialized='table') }}
-- Grain: billing period that may be billed in several parts, instant, plan version and charge: what the charge had
-- to price by then. The instants are the ends of the UTC hours with usage in which a cut is looked for, and
-- the approved cuts. Quantities that do not add up belong to the period's last part (DECISIONS D62).
with

statements as (
    select statement_id, counted_from
    from {{ ref('int_threshold_periods') }}
),

approved_cuts as (
    select statement_id, unnest(approved_cuts) as reached_at
    from {{ ref('int_threshold_periods') }}
),

hours as (
    {{ charge_hours('statements', 'approved_cuts', ended_only=true) }}
)

select * from hours
