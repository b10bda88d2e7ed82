{{ config(materialized='view') }}
-- Grain: account, meter, dimensions, UTC day: the sum of its hours; of compute taken before sizes
-- are multiplied in (exact either way), of storage the sum of the rounded hours (DECISIONS D36). Of a
-- meter whose hours do not add up, its aggregation of the day alone (int_event_days).
with

days as (
    select * from {{ ref('int_compute_days') }}
),

quantities as (
    select
        account_id,
        meter_id,
        dimensions,
        cast(used_at as date) as usage_date,
        cast(sum(quantity) as decimal(38, 16)) as quantity
    from {{ ref('int_amounts_measured') }}
    group by all
)

select
    days.account_id,
    meters.meter_id,
    days.dimensions,
    days.usage_date,
    {{ compute_quantity('meters.measure', 'days.us', 'sizes') }} as quantity,
    {{ compute_quantity('meters.measure', 'days.inferred_us', 'sizes') }} as inferred_quantity
from days
inner join {{ ref('int_compute_sizes') }} as sizes using (dimensions)
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and {{ measure_applies('meters.measure', 'sizes') }}

union all

select
    account_id,
    meter_id,
    dimensions,
    usage_date,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity
from quantities

union all

select
    hours.account_id,
    meters.meter_id,
    '{}' as dimensions,
    hours.usage_date,
    cast(sum({{ storage_quantity('meters.measure', 'hours.byte_us') }}) as decimal(38, 16)) as quantity,
    cast(sum({{ storage_quantity('meters.measure', 'hours.inferred_byte_us') }}) as decimal(38, 16))
        as inferred_quantity
from {{ ref('int_storage_hours') }} as hours
inner join {{ ref('stg_pricebook__meters') }} as meters on meters.source = 'storage'
group by hours.account_id, meters.meter_id, hours.usage_date

union all

select
    account_id,
    meter_id,
    dimensions,
    usage_date,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity
from {{ ref('int_event_days') }}
