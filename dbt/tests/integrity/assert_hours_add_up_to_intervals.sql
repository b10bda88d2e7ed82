{{ config(meta={"dagster": {"ref": {"name": "fct_usage_hourly"}}}) }}
-- Cutting intervals into hours loses no microsecond and makes none: per account and size.
with

cut as (
    select account_id, dimensions, sum(us) as us, sum(inferred_us) as inferred_us
    from {{ ref('int_compute_hours') }}
    group by account_id, dimensions
),

whole as (
    select
        account_id, dimensions, sum(us) as us,
        sum(case when evidence <> 'observed' then us else 0 end) as inferred_us
    from {{ ref('int_compute_intervals_counted') }}
    where us > 0
    group by account_id, dimensions
)

select account_id, dimensions, cut.us as cut_us, whole.us as whole_us
from cut
full join whole using (account_id, dimensions)
where cut.us is distinct from whole.us or cut.inferred_us is distinct from whole.inferred_us
