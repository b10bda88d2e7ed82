select
    load_seq,
    source,
    file,
    content_sha256,
    records,
    quarantined,
    is_current
from {{ source('ops', 'loads') }}
