{{ config(meta={"dagster": {"ref": {"name": "int_segment_usage"}}}) }}
-- What billing segments hold of a meter is never more than the account's usage of it, and all of it
-- where segments cover the account's whole time; hours cut by a segment's edge included. With
-- corrections below zero outside of every segment the segments may hold more; of an event meter a
-- correction may hide in an hour, so only the equality holds. What does not add up is left out.
with

separate as (
    select meter_id from {{ ref('int_event_meters') }} where not is_additive
),

correctable as (
    select meter_id from {{ ref('int_event_meters') }}
),

covered as (
    select account_id, min(segment_start) as first_at, max(segment_end) as last_at,
        sum(epoch_us(segment_end) - epoch_us(segment_start)) = epoch_us(max(segment_end)) - epoch_us(min(segment_start))
            as is_gapless
    from {{ ref('int_account_segments') }}
    group by account_id
),

used as (
    select
        account_id, meter_id, sum(quantity) as quantity, min(quantity) as least_quantity,
        min(usage_hour) as first_hour, max(usage_hour) + interval 1 hour as last_hour
    from {{ ref('fct_usage_hourly') }}
    anti join separate using (meter_id)
    group by account_id, meter_id
),

segmented as (
    select account_id, meter_id, sum(quantity) as quantity
    from {{ ref('int_segment_usage') }}
    group by account_id, meter_id
)

select used.account_id, used.meter_id, used.quantity, segmented.quantity as segmented_quantity
from used
inner join covered using (account_id)
left join segmented using (account_id, meter_id)
where
    (
        segmented.quantity > used.quantity and used.least_quantity >= 0
        and used.meter_id not in (select correctable.meter_id from correctable)
    )
    or (
        covered.is_gapless and covered.first_at <= used.first_hour and covered.last_at >= used.last_hour
        and segmented.quantity is distinct from used.quantity
    )
