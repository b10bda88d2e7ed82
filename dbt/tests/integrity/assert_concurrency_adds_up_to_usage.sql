{{ config(meta={"dagster": {"ref": {"name": "fct_concurrency"}}}) }}
-- Running sandboxes times their time is the time of the intervals that run, account by account. A
-- difference means that the sweep lost its order and the counts are wrong.
with

counted as (
    select account_id, sum((epoch_us(ended_at) - epoch_us(started_at)) * running_sandboxes) as us
    from {{ ref('fct_concurrency') }}
    group by account_id
),

measured as (
    select account_id, sum(us) as us
    from {{ ref('int_compute_intervals_counted') }} as intervals
    where us > 0 and {{ is_running('intervals') }}
    group by account_id
)

select account_id, counted.us as counted_us, measured.us as measured_us
from counted
full join measured using (account_id)
where counted.us is distinct from measured.us
