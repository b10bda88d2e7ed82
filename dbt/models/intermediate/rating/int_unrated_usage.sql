{{ config(materialized='ephemeral') }}
-- Grain: statement, plan version, meter, dimensions and reason; usage on a meter that the plan charges
-- for, but with dimensions that none of its charges names (an unlisted memory size, say), or in a trial.
with

unmatched as (
    select
        charges.plan_id,
        charges.plan_version,
        matches.meter_id,
        matches.dimensions
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('int_usage_matched') }} as matches using (meter_id, where_dimensions)
    group by charges.plan_id, charges.plan_version, matches.meter_id, matches.dimensions
    having not bool_or(matches.is_match)
)

select
    segments.account_id,
    segments.subscription_id,
    segments.plan_id,
    segments.plan_version,
    segments.period_start,
    segments.period_end,
    usage.meter_id,
    usage.dimensions,
    'no charge of the plan matches these dimensions' as reason,
    sum(usage.quantity) as quantity
from {{ ref('int_segment_usage') }} as usage
inner join {{ ref('int_billing_segments') }} as segments using (segment_id)
inner join unmatched
    on segments.plan_id = unmatched.plan_id
    and segments.plan_version = unmatched.plan_version
    and usage.meter_id = unmatched.meter_id
    and usage.dimensions is not distinct from unmatched.dimensions
group by all
having sum(usage.quantity) <> 0

union all

select
    segments.account_id,
    segments.subscription_id,
    segments.plan_id,
    segments.plan_version,
    segments.period_start,
    segments.period_end,
    usage.meter_id,
    usage.dimensions,
    'trial' as reason,
    sum(usage.quantity) as quantity
from {{ ref('int_segment_usage') }} as usage
inner join {{ ref('int_account_segments') }} as segments using (segment_id)
semi join {{ ref('int_price_charges') }} as charges
    on segments.plan_id = charges.plan_id
    and segments.plan_version = charges.plan_version
    and usage.meter_id = charges.meter_id
where segments.is_trial
group by all
having sum(usage.quantity) <> 0
