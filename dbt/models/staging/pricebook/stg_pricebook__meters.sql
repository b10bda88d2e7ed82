-- Grain: one meter of the price book.
select
    meter_id,
    source,
    measure,
    unit,
    stripe_event_name,
    event_type,
    aggregation,
    value_path,
    coalesce(rounding_mode, 'none') as rounding_mode,
    cast(case
        when coalesce(rounding_places, 0) = 0 then '1'
        else '0.' || repeat('0', rounding_places - 1) || '1'
    end as decimal(38, 12)) as rounding_step
from {{ source('pricebook', 'pricebook_meters') }}
where {{ from_current_loads() }}
