{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of an intervals/ file that must not count: a repetition, an older state, or voided.
with

told as (
    select
        provider_rows.*,
        loads.content_sha256
    from (
        select told.*
        from {{ ref('stg_generic__intervals_told') }} as told
        where told.known_at <= {{ as_of() }}
        {{ and_touched('told') }}
    ) as provider_rows
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
)

{{ newest_state_set_aside(none, 'told') }}
