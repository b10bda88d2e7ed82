-- Grain: one delivery; what the account of rows (fct_row_dispositions) needs to know of it.
select
    load_seq,
    record_number,
    known_at,
    event_id as record_id,
    'e2b' as provider,
    source_account,
    sandbox_id,
    execution_id,
    cast(null as varchar) as account_ref,
    metadata,
    event_type in ('created', 'resumed', 'paused', 'killed') as carries_time
from {{ ref('stg_e2b__events') }}
