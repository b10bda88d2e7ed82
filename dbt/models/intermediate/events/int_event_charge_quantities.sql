{{ config(materialized='table') }}
-- Grain: statement, plan version and charge of a meter that counts events: what the charge measured, zero
-- included. Only of the accounts that this build rates again. Where what later versions of the period
-- measured is below zero (a correction), it takes back what earlier ones measured; a period as a whole is
-- never below zero (DECISIONS D37).
with

charges as (
    select
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.where_dimensions,
        meters.meter_id,
        meters.is_additive
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('int_event_meters') }} as meters using (meter_id)
),

segments as (
    select *
    from {{ ref('int_billing_segments') }}
    {{ semi_join_touched_accounts() }}
),

version_starts as (
    select
        statement_id,
        plan_id,
        plan_version,
        min(segment_start) as version_start
    from segments
    group by statement_id, plan_id, plan_version
),

added_up as (
    select
        segments.statement_id,
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.meter_id,
        cast(sum(usage.quantity) as decimal(38, 12)) as quantity
    from {{ ref('int_segment_usage') }} as usage
    inner join segments using (segment_id)
    inner join charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and usage.meter_id = charges.meter_id
    inner join {{ ref('int_usage_matched') }} as matches
        on usage.meter_id = matches.meter_id
        and usage.dimensions is not distinct from matches.dimensions
        and charges.where_dimensions = matches.where_dimensions
    where charges.is_additive and matches.is_match
    group by all
),

shared_out as (
    select
        segments.statement_id,
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.meter_id,
        cast(sum(quantities.quantity) as decimal(38, 12)) as quantity
    from {{ ref('int_event_segment_quantities') }} as quantities
    inner join segments using (segment_id)
    inner join charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and quantities.meter_id = charges.meter_id
        and quantities.selection = charges.where_dimensions
    where quantities.selected_by = 'where'
    group by all
),

measured as (
    select * from added_up
    union all
    select * from shared_out
),

in_order as (
    select measured.*, version_starts.version_start
    from measured
    inner join version_starts using (statement_id, plan_id, plan_version)
),

kept as (
    {{ never_below_zero('in_order') }}
)

select
    statement_id,
    plan_id,
    plan_version,
    charge_key,
    quantity
from kept
