{{ config(materialized='table') }}
-- Grain: one record of a cloudevents/ file, with what became of it.
with

usable as (
    select distinct
        load_seq,
        record_number
    from {{ ref('int_event_values') }}
    where issue is null
),

subscribed as (
    select
        account_id,
        segment_start,
        segment_end
    from {{ ref('int_account_segments') }}
),

metered_types as (
    select distinct event_type
    from {{ ref('int_event_meters') }}
)

select
    told.load_seq,
    told.record_number,
    case
        when told.known_at > {{ as_of() }} then 'pending'
        when set_aside.disposition is not null then set_aside.disposition
        when metered_types.event_type is null then 'not_billable'
        when counted.account_id = 'unattributed' then 'unattributed'
        when usable.load_seq is null or subscribed.account_id is null then 'not_billable'
        else 'billed'
    end as disposition
from {{ ref('stg_cloudevents__events') }} as told
left join {{ ref('stg_cloudevents__set_aside') }} as set_aside
    on told.load_seq = set_aside.load_seq and told.record_number = set_aside.record_number
left join {{ ref('int_events') }} as counted
    on told.load_seq = counted.load_seq and told.record_number = counted.record_number
left join metered_types on told.event_type = metered_types.event_type
left join usable
    on told.load_seq = usable.load_seq and told.record_number = usable.record_number
left join subscribed
    on counted.account_id = subscribed.account_id
    and counted.occurred_at >= subscribed.segment_start
    and counted.occurred_at < subscribed.segment_end
