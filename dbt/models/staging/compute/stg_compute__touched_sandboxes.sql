{{ config(materialized='table') }}
-- Grain: one sandbox whose intervals this build must make again: it has records that became known
-- since the last build or are corrected otherwise than then, or its last build was unsettled (open at
-- as_of, sized by other sandboxes), or another source of the same sandbox has such news.
-- In a full build every sandbox is made again and this table is empty.
{%- set built = load_relation_of('intermediate', 'int_compute_intervals') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as provider,
    cast(null as varchar) as source_account,
    cast(null as varchar) as sandbox_id
where false
{%- for source in var('interval_sources') %}
-- depends_on: {{ ref('stg_' ~ source ~ '__records') }}
{%- endfor %}
-- depends_on: {{ ref('stg_ops__run_context') }}
-- depends_on: {{ ref('stg_corrections__changed') }}
-- depends_on: {{ ref('stg_compute__shared_sandboxes') }}
{% else %}
with

context as (
    select * from {{ ref('stg_ops__run_context') }}
),

told_anew as (
    {%- for source in var('interval_sources') %}
    select records.provider, records.source_account, records.sandbox_id
    from {{ ref('stg_' ~ source ~ '__records') }} as records
    where
        records.known_at <= (select context.as_of from context)
        and (
            records.load_seq > (select context.previous_load_seq from context)
            or records.known_at > (select context.previous_as_of from context)
        )
    union
    select records.provider, records.source_account, records.sandbox_id
    from {{ ref('stg_' ~ source ~ '__records') }} as records
    semi join {{ ref('stg_corrections__changed') }} using (record_id)
    union
    {%- endfor %}
    select intervals.provider, intervals.source_account, intervals.sandbox_id
    from {{ built }} as intervals
    where not intervals.is_settled
),

shared as (
    select distinct provider, sandbox_id
    from told_anew
    semi join {{ ref('stg_compute__shared_sandboxes') }} using (provider, sandbox_id)
)

select provider, source_account, sandbox_id
from told_anew
{%- for source in var('interval_sources') %}
union
select records.provider, records.source_account, records.sandbox_id
from {{ ref('stg_' ~ source ~ '__records') }} as records
semi join shared using (provider, sandbox_id)
{%- endfor %}
{% endif %}
