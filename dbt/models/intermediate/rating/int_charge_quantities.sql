{{ config(materialized='table') }}
-- Grain: statement, plan version and charge: what is to be priced. The measured total of the period
-- is rounded once, half away from zero, to 12 places, then as its meter says, then transformed.
-- What event meters measured comes from int_event_charge_quantities.
-- Where a plan has several versions in a period, included quantity and tiers run on through them:
-- publishing a new version with the same prices never changes a bill.
with

charges as (
    select
        charges.*,
        tiers.flat_amount as first_flat_amount,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as event_name,
        meters.source as meter_source,
        meters.rounding_mode,
        meters.rounding_step
    from {{ ref('stg_pricebook__charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
    inner join {{ ref('stg_pricebook__tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
        and tiers.tier_index = 1
),

versions_in_period as (
    select
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        period_start,
        period_end,
        min(segment_start) as version_start
    from {{ ref('int_billing_segments') }}
    group by all
),

measured as (
    select
        usage.statement_id,
        usage.plan_id,
        usage.plan_version,
        charges.charge_key,
        cast(sum(usage.quantity) as decimal(38, 12)) as measured_quantity
    from {{ ref('int_period_usage_summed') }} as usage
    inner join {{ ref('int_usage_matched') }} as matches
        on usage.meter_id = matches.meter_id
        and usage.dimensions is not distinct from matches.dimensions
    inner join charges
        on usage.plan_id = charges.plan_id
        and usage.plan_version = charges.plan_version
        and matches.meter_id = charges.meter_id
        and matches.where_dimensions = charges.where_dimensions
    where charges.meter_source is distinct from 'events'
    group by all
    having cast(sum(usage.quantity) as decimal(38, 12)) <> 0
    union all
    select
        statement_id,
        plan_id,
        plan_version,
        charge_key,
        quantity as measured_quantity
    from {{ ref('int_event_charge_quantities') }}
),

-- A charge that costs something even without usage is priced in every period of the plan.
unused as (
    select
        versions_in_period.statement_id,
        versions_in_period.plan_id,
        versions_in_period.plan_version,
        charges.charge_key,
        cast(0 as decimal(38, 12)) as measured_quantity
    from versions_in_period
    inner join charges using (plan_id, plan_version)
    anti join measured
        on versions_in_period.statement_id = measured.statement_id
        and versions_in_period.plan_version = measured.plan_version
        and charges.charge_key = measured.charge_key
    where charges.first_flat_amount <> 0 and charges.zero_usage <> 'no_charge'
),

quantities as (
    select * from measured
    union all
    select * from unused
),

described as (
    select
        versions_in_period.*,
        charges.charge_key,
        charges.meter_id,
        charges.event_name as stripe_event_name,
        charges.model,
        charges.zero_usage,
        charges.percentage_discount,
        charges.included_quantity,
        charges.transform_operation,
        charges.transform_factor,
        charges.transform_rounding,
        charges.rounding_mode,
        charges.rounding_step,
        quantities.measured_quantity,
        cast(sum(quantities.measured_quantity) over (
            partition by versions_in_period.statement_id, charges.charge_key, charges.meter_id
            order by versions_in_period.version_start
        ) as decimal(38, 12)) as measured_so_far
    from quantities
    inner join versions_in_period using (statement_id, plan_id, plan_version)
    inner join charges
        on quantities.plan_id = charges.plan_id
        and quantities.plan_version = charges.plan_version
        and quantities.charge_key = charges.charge_key
),

-- The quantity of the period is rounded as the meter says, not that of each version.
rounded as (
    select
        * exclude (rounding_mode, rounding_step, measured_quantity, measured_so_far),
        cast(
            {{ round_to_step('measured_so_far', 'rounding_mode', 'rounding_step') }}
            - {{ round_to_step(
                '(measured_so_far - measured_quantity)', 'rounding_mode', 'rounding_step'
            ) }}
            as decimal(38, 12)
        ) as quantity
    from described
),

transformed as (
    select
        *,
        case
            when transform_operation is null then quantity
            else {{ round_to_step(
                "case transform_operation when 'multiply' then cast("
                ~ multiply_exactly('quantity', 'transform_factor') ~ ' as decimal(38, 12)) else '
                ~ divide_exactly('quantity', 'transform_factor') ~ ' end',
                'transform_rounding',
                'cast(1 as decimal(38, 12))'
            ) }}
        end as priced_quantity
    from rounded
),

-- What earlier versions of the period had already used.
in_order as (
    select
        *,
        row_number() over versions as version_number,
        cast(coalesce(sum(priced_quantity) over earlier_versions, 0) as decimal(38, 12))
            as quantity_before
    from transformed
    window
        versions as (partition by statement_id, charge_key, meter_id order by version_start),
        earlier_versions as (
            partition by statement_id, charge_key, meter_id order by version_start
            rows between unbounded preceding and 1 preceding
        )
),

allowed as (
    select
        *,
        cast(greatest(
            least(priced_quantity, included_quantity - quantity_before), cast(0 as decimal(38, 12))
        ) as decimal(38, 12)) as included_applied
    from in_order
),

billable as (
    select
        *,
        cast(priced_quantity - included_applied as decimal(38, 12)) as billable_quantity
    from allowed
)

select
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    period_start,
    period_end,
    charge_key,
    meter_id,
    stripe_event_name,
    model,
    zero_usage,
    percentage_discount,
    version_number,
    quantity,
    included_applied,
    billable_quantity,
    cast(coalesce(sum(billable_quantity) over (
        partition by statement_id, charge_key, meter_id order by version_number
        rows between unbounded preceding and 1 preceding
    ), 0) as decimal(38, 12)) as billable_before,
    cast(sum(billable_quantity) over (
        partition by statement_id, charge_key, meter_id
    ) as decimal(38, 12)) as billable_in_period,
    {{ charge_id(
        'statement_id', 'plan_version', 'charge_key', 'meter_id', "'usage'"
    ) }} as charge_id
from billable
