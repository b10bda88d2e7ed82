{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one session of an answer that must not count: a repetition, or an older state of the session.
-- The state with the latest update is the newest, whatever other times it tells.
with

told_states as (
    select
        provider_rows.* replace (provider_rows.updated_at as known_at),
        loads.content_sha256
    from (
        select sessions.*
        from {{ ref('stg_vercel__sessions') }} as sessions
        where sessions.known_at <= {{ as_of() }}
        {{ and_touched('sessions', 'vercel') }}
    ) as provider_rows
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
)

{{ newest_state_set_aside('vercel', 'told_states') }}
