{{ config(materialized='table') }}
-- Grain: one meter of the price book that counts events. The path is written as the database reads it,
-- each name in quotes. The dimensions are the members of the data that a charge's `where` names: any
-- other would only split the usage further.
with

meters as (
    select *
    from {{ ref('stg_pricebook__meters') }}
    where source = 'events'
),

named as (
    select distinct
        meter_id,
        unnest(json_keys(where_dimensions)) as dimension
    from {{ ref('stg_pricebook__charges') }}
),

dimensions as (
    select
        meter_id,
        list(dimension order by dimension) as dimension_names
    from named
    group by meter_id
)

select
    meters.meter_id,
    meters.event_type,
    meters.aggregation,
    meters.aggregation in ('sum', 'count') as is_additive,
    {{ quoted_path('meters.value_path') }} as value_path,
    coalesce(dimensions.dimension_names, []) as dimension_names
from meters
left join dimensions using (meter_id)
