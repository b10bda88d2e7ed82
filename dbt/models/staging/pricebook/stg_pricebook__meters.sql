-- Grain: one meter of the price book. A meter has no time of its own: one that charges name is known
-- as soon as one of them is published (DECISIONS D55).
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
where
    {{ from_current_loads() }}
    and (
        meter_id in (select charges.meter_id from {{ ref('stg_pricebook__charges') }} as charges)
        or meter_id not in (
            select charges.meter_id
            from {{ source('pricebook', 'pricebook_charges') }} as charges
            where {{ from_current_loads() }}
        )
    )
