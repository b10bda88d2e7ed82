-- Grain: one row of a gauges/ file. account_reference: see the macro; no provider is named here.
select
    load_seq,
    record_number,
    known_at,
    'gauge' as kind,
    account_ref as owner,
    resource_id,
    cast(to_json([null, null, account_ref]) as varchar) as account_reference,
    sampled_at,
    coalesce(fetched_at, sampled_at) as fetched_at,
    bytes
from {{ source('storage', 'gauges') }}
