{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of a dump that must not count: a repetition, an older state of a scale event, or voided.
with

rows_of_dumps as (
    {{ known_states(ref('stg_opencomputer__scale_events'), 'opencomputer') }}
)

{{ newest_state_set_aside('opencomputer', 'rows_of_dumps') }}
