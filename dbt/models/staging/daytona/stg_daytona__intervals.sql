-- Grain: one usage period, in the shape every interval source has.
with

counted as (
    {{ counted_states(ref('stg_daytona__usage_periods'), ref('stg_daytona__set_aside'), 'daytona') }}
),

placed as (
    select
        *,
        cast(null as varchar) as account_ref,
        cast(null as varchar) as metadata,
        lead(started_at) over (partition by source_account, sandbox_id order by started_at) as next_started_at
    from counted
)

{{ intervals_of_states('placed', ref('stg_daytona__set_aside'), 'daytona') }}
