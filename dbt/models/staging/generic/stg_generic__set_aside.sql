{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of an intervals/ file that must not count: a repetition, an older state, or voided.
with

told as (
    {{ known_states(ref('stg_generic__intervals_told')) }}
)

{{ newest_state_set_aside(none, 'told') }}
