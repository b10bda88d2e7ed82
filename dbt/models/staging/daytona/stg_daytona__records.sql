-- Grain: one row of a dump; what the account of rows (fct_row_dispositions) needs to know of it.
select
    load_seq,
    record_number,
    known_at,
    -- The period's own id is made anew when it is archived (DECISIONS D41).
    sandbox_id || '/' || execution_id as record_id,
    'daytona' as provider,
    source_account,
    sandbox_id,
    execution_id,
    cast(null as varchar) as account_ref,
    cast(null as varchar) as metadata,
    true as carries_time
from {{ ref('stg_daytona__usage_periods') }}
