{{ config(meta={"dagster": {"ref": {"name": "int_account_segments"}}}) }}
-- Two segments of an account at the same instant would bill the same usage twice.
select account_id, segment_id
from {{ ref('int_account_segments') }}
qualify segment_end
    > lead(segment_start) over (partition by account_id order by segment_start, segment_end)
