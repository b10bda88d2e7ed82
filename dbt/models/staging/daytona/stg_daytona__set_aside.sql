{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('stg_compute__touched_sandboxes'), ['provider', 'source_account', 'sandbox_id']) }}"
) }}
-- Grain: one row of a dump that must not count: a repetition, an older state of a period (its open twin
-- in the other table), a voided one, or a period of the warm pool, which is nobody's.
with

rows_of_dumps as (
    {{ known_states(ref('stg_daytona__usage_periods'), 'daytona') }}
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
