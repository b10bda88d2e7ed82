-- Grain: one row of a dump; what the account of rows (fct_row_dispositions) needs to know of it.
select
    load_seq,
    record_number,
    known_at,
    execution_id as record_id,
    'opencomputer' as provider,
    source_account,
    sandbox_id,
    execution_id,
    cast(null as varchar) as account_ref,
    cast(null as varchar) as metadata,
    true as carries_time
from {{ ref('stg_opencomputer__scale_events') }}
