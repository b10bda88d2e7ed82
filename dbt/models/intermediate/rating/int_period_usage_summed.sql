{{ config(materialized='table') }}
-- Grain: statement, plan version, meter and dimensions; the measured total, still exact.
select
    segments.statement_id,
    segments.account_id,
    segments.subscription_id,
    segments.plan_id,
    segments.plan_version,
    segments.period_start,
    segments.period_end,
    usage.meter_id,
    usage.dimensions,
    sum(usage.quantity) as quantity
from {{ ref('int_segment_usage') }} as usage
inner join {{ ref('int_billing_segments') }} as segments using (segment_id)
group by all
