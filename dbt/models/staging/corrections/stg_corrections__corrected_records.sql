{{ config(materialized='table') }}
-- Grain: one row of a file that a correction in force speaks of, by the id that its source gives the record
-- (DECISIONS D41).
with

corrections as (
    select * from {{ ref('stg_corrections__applied') }}
)
{%- for source in var('interval_sources') %}

select
    corrections.record_id,
    corrections.action,
    '{{ source }}' as record_source,
    records.provider,
    records.source_account,
    records.sandbox_id,
    records.execution_id,
    records.load_seq,
    records.record_number
from {{ ref('stg_' ~ source ~ '__records') }} as records
inner join corrections using (record_id)
where records.known_at <= {{ as_of() }}

union all
{%- endfor %}

select
    corrections.record_id,
    corrections.action,
    'quantities' as record_source,
    cast(null as varchar) as provider,
    cast(null as varchar) as source_account,
    cast(null as varchar) as sandbox_id,
    cast(null as varchar) as execution_id,
    quantities.load_seq,
    quantities.record_number
from {{ ref('stg_generic__quantities') }} as quantities
inner join corrections using (record_id)
where quantities.known_at <= {{ as_of() }}

union all

-- An event has no sandbox; its source is whose id it is.
select
    corrections.record_id,
    corrections.action,
    'cloudevents' as record_source,
    cast(null as varchar) as provider,
    events.event_source as source_account,
    cast(null as varchar) as sandbox_id,
    cast(null as varchar) as execution_id,
    events.load_seq,
    events.record_number
from {{ ref('stg_cloudevents__events') }} as events
inner join corrections on events.event_id = corrections.record_id
where events.known_at <= {{ as_of() }}
