-- Grain: one event that counts (none set aside, none that is known only later), with its account.
select
    events.load_seq,
    events.record_number,
    events.event_source,
    events.event_id,
    events.event_type,
    events.occurred_at,
    events.data,
    assignments.account_id
from {{ ref('stg_cloudevents__events') }} as events
anti join {{ ref('stg_cloudevents__set_aside') }} as set_aside
    on events.load_seq = set_aside.load_seq and events.record_number = set_aside.record_number
inner join {{ ref('int_account_assignments') }} as assignments
    on events.account_reference = assignments.account_reference
    and events.occurred_at >= assignments.valid_from
    and events.occurred_at < assignments.valid_to
where events.known_at <= {{ as_of() }}
