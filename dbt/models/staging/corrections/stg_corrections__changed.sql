{{ config(materialized='table') }}
-- Grain: one usage record of which another correction is in force than in the last build: asked for since
-- then, uncovered by the clock, replaced, or taken back. In a full build this is empty.
{%- set built = load_relation_of('staging', 'stg_corrections__applied') %}
{% if flags.FULL_REFRESH or built is none %}
select cast(null as varchar) as record_id
where false
-- depends_on: {{ ref('stg_corrections__corrections') }}
{% else %}
with

in_force as (
    select record_id, action, quantity from {{ ref('stg_corrections__corrections') }}
),

applied as (
    select record_id, action, quantity from {{ built }}
),

changed as (
    (select * from in_force except select * from applied)
    union
    (select * from applied except select * from in_force)
)

select distinct record_id from changed
{% endif %}
