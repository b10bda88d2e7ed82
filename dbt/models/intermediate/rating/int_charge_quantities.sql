{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: statement, plan version and charge: what is to be priced. The measured total of the period
-- is rounded once, half away from zero, to 12 places, then as its meter says, then transformed.
-- What event meters measured comes from int_event_charge_quantities.
-- Where a plan has several versions in a period, rounding, transform, included quantity and tiers run
-- on through them (DECISIONS D04, D44): publishing a new version with the same prices never changes a
-- bill. Few periods have several versions: only in those is it asked what the others used.
with

charges as (
    select
        charges.*,
        tiers.flat_amount as first_flat_amount,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as event_name,
        meters.source as meter_source,
        meters.rounding_mode,
        meters.rounding_step
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
    inner join {{ ref('int_price_tiers') }} as tiers
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
    {{ semi_join_touched_accounts() }}
    group by all
),

several_versions as (
    select statement_id
    from versions_in_period
    group by statement_id
    having count(*) > 1
),

priced_dimensions as (
    select
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        matches.meter_id,
        matches.dimensions
    from charges
    inner join {{ ref('int_usage_matched') }} as matches using (meter_id, where_dimensions)
    where matches.is_match and charges.meter_source is distinct from 'events'
),

summed as (
    select
        segments.statement_id,
        segments.plan_id,
        segments.plan_version,
        priced_dimensions.charge_key,
        sum(usage.quantity) as quantity
    from {{ ref('int_segment_usage') }} as usage
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('int_billing_segments') }} as segments
        on usage.segment_id = segments.segment_id
    inner join priced_dimensions
        on segments.plan_id = priced_dimensions.plan_id
        and segments.plan_version = priced_dimensions.plan_version
        and usage.meter_id = priced_dimensions.meter_id
        and usage.dimensions is not distinct from priced_dimensions.dimensions
    group by all
),

-- What is below half of the twelfth place is nothing.
measured as (
    select
        * exclude (quantity),
        cast(round(quantity, 12) as decimal(38, 12)) as measured_quantity
    from summed
    where abs(quantity) >= cast('0.0000000000005' as decimal(38, 16))
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
        quantities.measured_quantity
    from quantities
    inner join versions_in_period using (statement_id, plan_id, plan_version)
    inner join charges
        on quantities.plan_id = charges.plan_id
        and quantities.plan_version = charges.plan_version
        and quantities.charge_key = charges.charge_key
),

-- What the versions before this one, and all of them, have measured in the period.
measured_in_period as (
    select
        statement_id,
        plan_version,
        charge_key,
        row_number() over versions as version_number,
        cast(coalesce(sum(measured_quantity) over earlier_versions, 0) as decimal(38, 12)) as before_total,
        cast(sum(measured_quantity) over every_version as decimal(38, 12)) as period_total,
        min(transform) over every_version <> max(transform) over every_version as is_transform_changed
    from (
        select
            *,
            concat_ws(
                ' ', transform_operation, cast(transform_factor as varchar), coalesce(transform_rounding, 'none')
            ) as transform
        from described
    ) as described
    semi join several_versions using (statement_id)
    window
        every_version as (partition by statement_id, charge_key, meter_id),
        versions as (partition by statement_id, charge_key, meter_id order by version_start),
        earlier_versions as (
            partition by statement_id, charge_key, meter_id order by version_start
            rows between unbounded preceding and 1 preceding
        )
),

totals as (
    select
        described.*,
        coalesce(measured_in_period.version_number, 1) as version_number,
        coalesce(measured_in_period.is_transform_changed, false) as is_transform_changed,
        cast(coalesce(measured_in_period.before_total, 0) as decimal(38, 12)) as before_total,
        cast(coalesce(measured_in_period.before_total, 0) + described.measured_quantity as decimal(38, 12))
            as total,
        cast(coalesce(measured_in_period.period_total, described.measured_quantity) as decimal(38, 12))
            as period_total
    from described
    left join measured_in_period using (statement_id, plan_version, charge_key)
),

-- The period is rounded, transformed and covered by the included quantity, not each version of it.
priced as (
    {{ priced_totals('totals', ['before_total', 'total', 'period_total']) }}
),

billable as (
    select
        *,
        cast(total_rounded - before_total_rounded as decimal(38, 12)) as quantity,
        cast(total_covered - before_total_covered as decimal(38, 12)) as included_applied,
        cast(
            (total_priced - before_total_priced) - (total_covered - before_total_covered) as decimal(38, 12)
        ) as billable_quantity
    from priced
),

billed_in_period as (
    select
        statement_id,
        plan_version,
        charge_key,
        cast(coalesce(sum(billable_quantity) over (
            partition by statement_id, charge_key, meter_id order by version_number
            rows between unbounded preceding and 1 preceding
        ), 0) as decimal(38, 12)) as billable_before,
        cast(sum(billable_quantity) over (
            partition by statement_id, charge_key, meter_id
        ) as decimal(38, 12)) as billable_in_period
    from billable
    semi join several_versions using (statement_id)
    -- Units of another transform cannot be added up: then the version counts the period in its own.
    where not is_transform_changed
    union all
    select
        statement_id,
        plan_version,
        charge_key,
        cast(before_total_priced - before_total_covered as decimal(38, 12)) as billable_before,
        cast(period_total_priced - period_total_covered as decimal(38, 12)) as billable_in_period
    from billable
    where is_transform_changed
)

select
    billable.statement_id,
    billable.account_id,
    billable.subscription_id,
    billable.plan_id,
    billable.plan_version,
    billable.period_start,
    billable.period_end,
    billable.charge_key,
    billable.meter_id,
    billable.stripe_event_name,
    billable.model,
    billable.zero_usage,
    billable.percentage_discount,
    billable.version_number,
    billable.quantity,
    billable.included_applied,
    billable.billable_quantity,
    cast(coalesce(billed_in_period.billable_before, 0) as decimal(38, 12)) as billable_before,
    coalesce(billed_in_period.billable_in_period, billable.billable_quantity) as billable_in_period,
    {{ charge_id(
        'billable.statement_id',
        'billable.plan_version',
        'billable.charge_key',
        'billable.meter_id',
        "'usage'"
    ) }} as charge_id
from billable
left join billed_in_period using (statement_id, plan_version, charge_key)
