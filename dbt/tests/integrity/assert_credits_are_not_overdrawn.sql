{{ config(meta={"dagster": {"ref": {"name": "fct_credit_burndown"}}}) }}
-- No credit pays more than was granted, and none has less than nothing left.
with

uses as (
    select
        credit_id,
        cast(sum(applied_minor) as bigint) as applied_minor,
        min(remaining_minor) as least_remaining_minor
    from {{ ref('fct_credit_burndown') }}
    group by credit_id
)

select uses.credit_id
from uses
left join {{ ref('stg_accounts__credits') }} as credits using (credit_id)
where uses.applied_minor > coalesce(credits.amount_minor, 0) or uses.least_remaining_minor < 0
