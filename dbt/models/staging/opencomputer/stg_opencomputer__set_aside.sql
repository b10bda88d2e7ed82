{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of a dump that must not count: a repetition, an older state of a scale event, or voided.
with

rows_of_dumps as (
    select
        provider_rows.*,
        loads.content_sha256
    from (
        select states.*
        from {{ ref('stg_opencomputer__scale_events') }} as states
        where states.known_at <= {{ as_of() }}
        {{ and_touched('states', 'opencomputer') }}
    ) as provider_rows
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
)

{{ newest_state_set_aside('opencomputer', 'rows_of_dumps') }}
