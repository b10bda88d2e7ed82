{{ config(materialized='table') }}
-- Grain: one distinct dimensions text of compute, with its sizes as numbers.
select distinct
    dimensions,
    vcpu,
    memory_mib,
    disk_mib,
    case when gpu > 0 then gpu end as gpu
from {{ ref('int_compute_intervals_counted') }}
where us > 0
