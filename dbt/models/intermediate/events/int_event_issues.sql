-- Grain: one event and one thing about it that a person should know.
select distinct
    issue,
    account_id,
    event_source,
    event_type,
    event_id,
    occurred_at
from {{ ref('int_event_values') }}
where issue is not null

union all

select distinct
    events.issue,
    events.account_id,
    events.event_source,
    meters.event_type,
    events.event_id,
    events.used_at as occurred_at
from {{ ref('int_charge_events') }} as events
inner join {{ ref('int_event_meters') }} as meters using (meter_id)
where events.issue is not null

union all

select
    'event_id_reused' as issue,
    events.account_id,
    events.event_source,
    events.event_type,
    events.event_id,
    events.occurred_at
from {{ ref('int_events') }} as events
where exists (
    select 1
    from {{ ref('stg_cloudevents__set_aside') }} as set_aside
    where
        set_aside.is_other_content
        and set_aside.event_source = events.event_source
        and set_aside.event_id = events.event_id
)
