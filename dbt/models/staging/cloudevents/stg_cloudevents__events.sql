-- Grain: one record of a cloudevents/ file. account_reference: see the macro; no provider is named here.
select
    load_seq,
    record_number,
    known_at,
    event_source,
    event_id,
    event_type,
    occurred_at,
    cast(to_json([null, null, subject]) as varchar) as account_reference,
    data,
    cast(to_json([event_type, subject, cast(epoch_us(occurred_at) as varchar), data]) as varchar) as content
from {{ source('cloudevents', 'cloudevents') }}
