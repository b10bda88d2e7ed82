{{ config(meta={"dagster": {"ref": {"name": "fct_compute_intervals"}}}) }}
-- No second of a sandbox is billed twice.
select provider, source_account, sandbox_id, started_at, ended_at
from {{ ref('int_compute_intervals_counted') }}
where us > 0
qualify lead(started_at) over (partition by provider, source_account, sandbox_id order by started_at) < ended_at
