-- Grain: one usage record that a person corrected: the correction in force, which is the latest known
-- (DECISIONS D39). Those of one instant say the same, so any of them may speak for all.
with

known as (
    select
        *,
        row_number() over (partition by record_id order by requested_at desc, correction_id asc) as place
    from {{ source('corrections', 'corrections') }}
    where requested_at <= {{ as_of() }} and {{ from_current_loads() }}
)

select
    correction_id,
    record_id,
    action,
    quantity,
    reason,
    requested_by,
    requested_at
from known
where place = 1
