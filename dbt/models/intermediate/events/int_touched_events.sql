{{ config(materialized='table') }}
-- Grain: one event of which this build knows more records or another correction than the last one; with
-- another price book, which may read it in another way, every event. Empty in a full build.
{%- set built = load_relation_of('intermediate', 'int_event_values') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as event_source,
    cast(null as varchar) as event_id
where false
-- depends_on: {{ ref('stg_ops__run_context') }}
-- depends_on: {{ ref('stg_cloudevents__events') }}
-- depends_on: {{ ref('stg_corrections__changed') }}
{% else %}
with

context as (
    select * from {{ ref('stg_ops__run_context') }}
)

select distinct
    event_source,
    event_id
from {{ ref('stg_cloudevents__events') }}
where
    known_at <= (select context.as_of from context)
    and (
        load_seq > (select context.previous_load_seq from context)
        or known_at > (select context.previous_as_of from context)
        or (select context.pricebook_changed from context)
        or event_id in (select changed.record_id from {{ ref('stg_corrections__changed') }} as changed)
    )
{% endif %}
