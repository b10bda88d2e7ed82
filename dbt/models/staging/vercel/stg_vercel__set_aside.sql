{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one session of an answer that must not count: a repetition, or an older state of the session.
-- The state with the latest update is the newest, whatever other times it tells.
with

known as (
    {{ known_states(ref('stg_vercel__sessions'), 'vercel') }}
),

told_states as (
    select * replace (updated_at as known_at)
    from known
)

{{ newest_state_set_aside('vercel', 'told_states') }}
