-- Grain: one charge of a plan version that had been published by the as-of time.
select
    plan_id,
    plan_version,
    charge_key,
    charge_order,
    meter_id,
    coalesce(where_dimensions, '{}') as where_dimensions,
    stripe_event_name,
    cast(coalesce(included_quantity, 0) as decimal(38, 12)) as included_quantity,
    model,
    properties,
    cast(percentage_discount as decimal(38, 18)) as percentage_discount,
    transform_operation,
    cast(transform_factor as decimal(38, 18)) as transform_factor,
    transform_rounding,
    coalesce(zero_usage, 'charge_first_tier_flat') as zero_usage
from {{ source('pricebook', 'pricebook_charges') }}
semi join {{ ref('stg_pricebook__versions') }} as versions using (plan_id, plan_version)
where {{ from_current_loads() }}
