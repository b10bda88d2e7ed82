-- Grain: one charge of a plan version, published or not. What a percentage or dynamic price looks at in
-- each event is null in the others, and a charge with any of it is rated event by event.
with

charges as (
    select
        *,
        case when model = 'percentage' then properties end as percentage
    from {{ source('pricebook', 'pricebook_charges') }}
    where {{ from_current_loads() }}
),

described as (
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
        coalesce(zero_usage, 'charge_first_tier_flat') as zero_usage,
        cast(json_extract_string(percentage, '$.fixed_amount') as decimal(38, 18)) as fixed_amount,
        cast(json_extract_string(percentage, '$.free_units_per_events') as bigint) as free_events,
        cast(json_extract_string(percentage, '$.free_units_per_total_aggregation') as decimal(38, 12))
            as free_quantity,
        cast(json_extract_string(percentage, '$.per_transaction_min_amount') as decimal(38, 18))
            as transaction_minimum,
        cast(json_extract_string(percentage, '$.per_transaction_max_amount') as decimal(38, 18))
            as transaction_maximum,
        case
            when model = 'dynamic' then {{ quoted_path("json_extract_string(properties, '$.amount')") }}
        end as amount_path
    from charges
)

select
    *,
    coalesce(fixed_amount, 0) <> 0
    or free_events is not null
    or transaction_minimum is not null
    or transaction_maximum is not null
    or amount_path is not null as is_rated_by_event
from described
