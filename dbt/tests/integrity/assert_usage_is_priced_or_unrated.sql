{{ config(meta={"dagster": {"ref": {"name": "fct_unrated_usage"}}}) }}
-- Usage on a meter that the plan charges for is in a charge, or in fct_unrated_usage: it never
-- vanishes. (It may be in several charges: the price book may price one meter twice.)
with

measured as (
    select
        segments.statement_id,
        segments.subscription_id,
        segments.plan_id,
        segments.plan_version,
        segments.period_start,
        usage.meter_id,
        usage.dimensions,
        sum(usage.quantity) as quantity
    from {{ ref('int_segment_usage') }} as usage
    inner join {{ ref('int_billing_segments') }} as segments using (segment_id)
    semi join {{ ref('int_price_charges') }} as charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and usage.meter_id = charges.meter_id
    group by all
),

priced as (
    select distinct
        measured.statement_id, measured.plan_version, measured.meter_id, measured.dimensions
    from measured
    inner join {{ ref('int_price_charges') }} as charges
        on measured.plan_id = charges.plan_id
        and measured.plan_version = charges.plan_version
        and measured.meter_id = charges.meter_id
    inner join {{ ref('int_charge_quantities') }} as quantities
        on measured.statement_id = quantities.statement_id
        and measured.plan_version = quantities.plan_version
        and charges.charge_key = quantities.charge_key
    where {{ dimensions_match("coalesce(measured.dimensions, '{}')", 'charges.where_dimensions') }}
)

select measured.statement_id, measured.meter_id, measured.dimensions
from measured
left join priced
    on measured.statement_id = priced.statement_id
    and measured.plan_version = priced.plan_version
    and measured.meter_id = priced.meter_id
    and measured.dimensions is not distinct from priced.dimensions
left join {{ ref('fct_unrated_usage') }} as unrated
    on measured.subscription_id = unrated.subscription_id
    and measured.period_start = unrated.period_start
    and measured.plan_version = unrated.plan_version
    and measured.meter_id = unrated.meter_id
    and measured.dimensions is not distinct from unrated.dimensions
    and unrated.reason <> 'trial'
where
    cast(measured.quantity as decimal(38, 12)) <> 0
    and (priced.statement_id is null) = (unrated.subscription_id is null)
