-- Grain: statement, plan version, meter and dimensions; usage on a meter that the plan charges for,
-- but with dimensions that none of its charges names (an unlisted memory size, say).
with

rated as (
    select
        charges.plan_id,
        charges.plan_version,
        matches.meter_id,
        matches.dimensions
    from {{ ref('stg_pricebook__charges') }} as charges
    inner join {{ ref('int_usage_matched') }} as matches using (meter_id, where_dimensions)
)

select
    usage.account_id,
    usage.subscription_id,
    usage.plan_id,
    usage.plan_version,
    usage.period_start,
    usage.period_end,
    usage.meter_id,
    usage.dimensions,
    usage.quantity
from {{ ref('int_period_usage_summed') }} as usage
semi join {{ ref('stg_pricebook__charges') }} as priced
    on usage.plan_id = priced.plan_id
    and usage.plan_version = priced.plan_version
    and usage.meter_id = priced.meter_id
anti join rated
    on usage.plan_id = rated.plan_id
    and usage.plan_version = rated.plan_version
    and usage.meter_id = rated.meter_id
    and usage.dimensions is not distinct from rated.dimensions
where usage.quantity <> 0
