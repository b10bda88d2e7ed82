{{ config(materialized='table') }}
-- Grain: account, weighted_sum meter, dimensions and stretch of time between two changes: the level then,
-- which each event raises or lowers by its value. The last one lasts until the as-of time.
with

changes as (
    select
        account_id,
        meter_id,
        dimensions,
        occurred_at,
        sum(value) as change
    from {{ ref('int_event_values') }}
    where aggregation = 'weighted_sum' and issue is null
    group by all
)

select
    account_id,
    meter_id,
    dimensions,
    occurred_at as started_at,
    coalesce(lead(occurred_at) over in_time, {{ as_of() }}) as ended_at,
    cast(sum(change) over in_time as decimal(38, 16)) as level
from changes
window in_time as (partition by account_id, meter_id, dimensions order by occurred_at)
