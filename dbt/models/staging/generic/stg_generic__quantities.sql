-- Grain: one row of a quantities/ file. account_reference: see the macro; no provider is named here.
select
    load_seq,
    record_number,
    known_at,
    record_id,
    cast(to_json([null, null, account_ref]) as varchar) as account_reference,
    meter_id,
    quantity,
    started_at,
    ended_at,
    dimensions,
    concat_ws(
        '|', account_ref, meter_id, quantity, epoch_us(started_at), epoch_us(ended_at), dimensions
    ) as content
from {{ source('generic', 'quantities') }}
