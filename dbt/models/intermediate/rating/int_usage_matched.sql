{{ config(materialized='table') }}
-- Grain: a meter's combination of dimensions and a `where` of the price book, with whether it falls
-- under it. JSON is looked into once for each combination instead of once for each row of usage.
with

combinations as (
    select distinct meter_id, dimensions
    from {{ ref('int_segment_usage') }}
),

conditions as (
    select distinct meter_id, where_dimensions
    from {{ ref('stg_pricebook__charges') }}
)

select
    combinations.meter_id,
    combinations.dimensions,
    conditions.where_dimensions,
    {{ dimensions_match(
        "coalesce(combinations.dimensions, '{}')", 'conditions.where_dimensions'
    ) }} as is_match
from combinations
inner join conditions using (meter_id)
