-- Grain: billing segment, storage meter: the usage inside the segment, the sum of its hours and of the parts of
-- hours at its edges (DECISIONS D36).
with

hours as (
    {{ segment_storage_hours(ref('int_account_segments')) }}
)

select
    segment_id,
    account_id,
    meter_id,
    '{}' as dimensions,
    cast(sum(quantity) as decimal(38, 16)) as quantity,
    cast(sum(inferred_quantity) as decimal(38, 16)) as inferred_quantity
from hours
group by segment_id, account_id, meter_id
