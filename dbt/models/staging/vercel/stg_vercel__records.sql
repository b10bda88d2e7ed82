-- Grain: one session of an answer; what the account of rows (fct_row_dispositions) needs to know of it.
-- A session that has not started (pending, or failed before) has no time to bill.
select
    load_seq,
    record_number,
    known_at,
    execution_id as record_id,
    'vercel' as provider,
    source_account,
    sandbox_id,
    execution_id,
    account_ref,
    metadata,
    started_at is not null as carries_time
from {{ ref('stg_vercel__sessions') }}
