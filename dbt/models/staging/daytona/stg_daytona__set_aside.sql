{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of a dump that must not count: a repetition, an older state of a period (its open twin
-- in the other table), a voided one, or a period of the warm pool, which is nobody's.
with

rows_of_dumps as (
    select
        provider_rows.*,
        loads.content_sha256
    from (
        select periods.*
        from {{ ref('stg_daytona__usage_periods') }} as periods
        where periods.known_at <= {{ as_of() }}
        {{ and_touched('periods', 'daytona') }}
    ) as provider_rows
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
)

{{ newest_state_set_aside('daytona', 'rows_of_dumps') }}

union all

select
    'daytona' as provider,
    source_account,
    sandbox_id,
    execution_id,
    load_seq,
    record_number,
    'not_billable' as disposition,
    true as is_end
from ranked
where state_number = 1 and {{ is_daytona_warm_pool('source_account') }}
