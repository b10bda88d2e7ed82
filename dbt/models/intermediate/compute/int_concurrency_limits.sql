{{ config(materialized='table') }}
-- Grain: one stretch of an account's time in which its plan limits the sandboxes that run at once.
select
    segments.account_id,
    segments.plan_id,
    segments.plan_version,
    segments.segment_start as from_at,
    segments.segment_end as to_at,
    versions.max_concurrent_sandboxes
from {{ ref('int_account_segments') }} as segments
inner join {{ ref('int_price_versions') }} as versions using (plan_id, plan_version)
where versions.max_concurrent_sandboxes is not null
