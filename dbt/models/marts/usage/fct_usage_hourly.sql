{{ config(materialized='view') }}
-- Grain: account, meter, dimensions, UTC hour. Of a meter whose hours do not add up (int_event_hours),
-- its aggregation of the hour alone.
with

hours as (
    select * from {{ ref('int_compute_hours') }}
),

quantities as (
    select
        account_id,
        meter_id,
        dimensions,
        date_trunc('hour', used_at) as usage_hour,
        cast(used_at as date) as usage_date,
        cast(sum(quantity) as decimal(38, 16)) as quantity
    from {{ ref('int_amounts_measured') }}
    group by all
)

select
    hours.account_id,
    meters.meter_id,
    hours.dimensions,
    hours.usage_hour,
    {{ compute_quantity('meters.measure', 'hours.us', 'sizes') }} as quantity,
    {{ compute_quantity('meters.measure', 'hours.inferred_us', 'sizes') }} as inferred_quantity,
    hours.usage_date
from hours
inner join {{ ref('int_compute_sizes') }} as sizes using (dimensions)
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and {{ measure_applies('meters.measure', 'sizes') }}

union all

select
    account_id,
    meter_id,
    dimensions,
    usage_hour,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity,
    usage_date
from quantities

union all

select
    hours.account_id,
    meters.meter_id,
    '{}' as dimensions,
    hours.usage_hour,
    {{ storage_quantity('meters.measure', 'hours.byte_us') }} as quantity,
    {{ storage_quantity('meters.measure', 'hours.inferred_byte_us') }} as inferred_quantity,
    hours.usage_date
from {{ ref('int_storage_hours') }} as hours
inner join {{ ref('stg_pricebook__meters') }} as meters on meters.source = 'storage'

union all

select
    account_id,
    meter_id,
    dimensions,
    used_from as usage_hour,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity,
    usage_date
from {{ ref('int_event_hours') }}
