{{ config(meta={"dagster": {"ref": {"name": "fct_usage_daily"}}}) }}
-- A day is the sum of its hours, for each account and meter that adds up.
with

separate as (
    select meter_id from {{ ref('int_event_meters') }} where not is_additive
),

days as (
    select account_id, meter_id, sum(quantity) as quantity, sum(inferred_quantity) as inferred_quantity
    from {{ ref('fct_usage_daily') }}
    anti join separate using (meter_id)
    group by account_id, meter_id
),

hours as (
    select account_id, meter_id, sum(quantity) as quantity, sum(inferred_quantity) as inferred_quantity
    from {{ ref('fct_usage_hourly') }}
    anti join separate using (meter_id)
    group by account_id, meter_id
)

select account_id, meter_id, days.quantity as days_quantity, hours.quantity as hours_quantity
from days
full join hours using (account_id, meter_id)
where
    days.quantity is distinct from hours.quantity
    or days.inferred_quantity is distinct from hours.inferred_quantity
