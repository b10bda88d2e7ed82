-- Grain: one measured amount that adds up: a record of quantities/, or an event of a sum or count meter.
-- A quantity told for a meter whose parts do not add up is none of its events and has no place here. The
-- source of a record of quantities/ is empty, and only an event has a record of cloudevents/ to look into.
select
    '' as event_source,
    quantities.record_id as event_id,
    cast(null as integer) as event_load_seq,
    cast(null as integer) as event_record_number,
    quantities.account_id,
    quantities.meter_id,
    quantities.dimensions,
    quantities.used_at,
    quantities.quantity
from {{ ref('int_quantities') }} as quantities
where quantities.meter_id not in (
    select meters.meter_id from {{ ref('int_event_meters') }} as meters where not meters.is_additive
)
union all
select
    event_source,
    event_id,
    load_seq as event_load_seq,
    record_number as event_record_number,
    account_id,
    meter_id,
    dimensions,
    occurred_at as used_at,
    value as quantity
from {{ ref('int_event_values') }}
where is_additive and issue is null
