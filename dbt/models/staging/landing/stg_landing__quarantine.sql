select
    load_seq,
    source,
    file,
    record_number,
    reason
from {{ source('ops', 'quarantine') }}
