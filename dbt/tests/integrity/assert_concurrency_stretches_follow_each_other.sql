{{ config(meta={"dagster": {"ref": {"name": "fct_concurrency"}}}) }}
-- Stretches of an account never overlap, last longer than nothing and count at least one sandbox.
select account_id, started_at, ended_at, running_sandboxes
from {{ ref('fct_concurrency') }}
qualify
    ended_at <= started_at
    or running_sandboxes < 1
    or lead(started_at) over (partition by account_id order by started_at) < ended_at
