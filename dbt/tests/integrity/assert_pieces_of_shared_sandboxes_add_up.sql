{{ config(meta={"dagster": {"ref": {"name": "fct_compute_intervals"}}}) }}
-- Of a sandbox that two sources tell of, what counts and what another source tells too are all that is told.
with

pieces as (
    select record_source, provider, source_account, sandbox_id, execution_id, sum(us) as us
    from {{ ref('int_shared_sandbox_pieces') }}
    group by all
),

told as (
    select record_source, provider, source_account, sandbox_id, execution_id, sum(us) as us
    from {{ ref('int_compute_intervals') }}
    where is_shared
    group by all
)

select *
from told
full join pieces using (record_source, provider, source_account, sandbox_id, execution_id)
where told.us is distinct from pieces.us
