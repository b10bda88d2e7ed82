-- Grain: one row of an intervals/ file; what the account of rows needs to know of it.
select
    load_seq,
    record_number,
    known_at,
    execution_id as record_id,
    provider,
    source_account,
    sandbox_id,
    execution_id,
    source_account as account_ref,
    cast(null as varchar) as metadata,
    true as carries_time
from {{ ref('stg_generic__intervals_told') }}
