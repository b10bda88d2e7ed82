select
    run_id,
    as_of,
    previous_as_of,
    previous_load_seq,
    pricebook_changed,
    rebuild_rating,
    rebuild_reconciliation
from {{ source('ops', 'run_context') }}
