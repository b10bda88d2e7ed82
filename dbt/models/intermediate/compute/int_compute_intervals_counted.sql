-- Grain: one stretch of constant size and account of one run of a sandbox, as it counts: where two sources
-- tell the same time of a sandbox, only one of them is here. Most sandboxes have one source.
select * exclude (is_shared)
from {{ ref('int_compute_intervals') }}
where not is_shared
union all
select * exclude (is_shared, is_counted)
from {{ ref('int_shared_sandbox_pieces') }}
where is_counted
