-- Grain: one record of intervals/, in the shape every interval source has.
with

counted as (
    {{ counted_states(ref('stg_generic__intervals_told'), ref('stg_generic__set_aside')) }}
),

placed as (
    select
        *,
        source_account as account_ref,
        cast(null as varchar) as metadata,
        lead(started_at) over (
            partition by provider, source_account, sandbox_id order by started_at, execution_id
        ) as next_started_at
    from counted
)

{{ intervals_of_states('placed', ref('stg_generic__set_aside')) }}
