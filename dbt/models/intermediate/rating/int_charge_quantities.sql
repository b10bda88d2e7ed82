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
-- A period that is billed in parts is here once more for each part that ends before it does, under the id of that
-- instant: what is to be priced up to rated_until (DECISIONS D62).
with

-- Charges, and the plan versions of each period, are numbered: joins and sums go by two numbers, not by texts.
charges as materialized (
    select
        charges.*,
        row_number() over () as charge_number,
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

versions_in_period as materialized (
    select
        row_number() over () as version_in_period,
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        period_start,
        period_end,
        min(segment_start) as version_start,
        list(segment_id) as segment_ids
    from {{ ref('int_billing_segments') }}
    {{ semi_join_touched_accounts() }}
    group by statement_id, account_id, subscription_id, plan_id, plan_version, period_start, period_end
),

segments as (
    select
        version_in_period,
        plan_id,
        plan_version,
        unnest(segment_ids) as segment_id
    from versions_in_period
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
        charges.charge_number,
        matches.meter_id,
        matches.dimensions
    from charges
    inner join {{ ref('int_usage_matched') }} as matches using (meter_id, where_dimensions)
    where matches.is_match and charges.meter_source is distinct from 'events'
),

summed as (
    select
        segments.version_in_period,
        priced_dimensions.charge_number,
        sum(usage.quantity) as quantity
    from {{ ref('int_segment_usage') }} as usage
    {{ semi_join_touched_accounts() }}
    inner join segments using (segment_id)
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
        cast(quantity as decimal(38, 12)) as measured_quantity
    from summed
    where abs(quantity) >= cast('0.0000000000005' as decimal(38, 16))
    union all
    select
        versions_in_period.version_in_period,
        charges.charge_number,
        events.quantity as measured_quantity
    from {{ ref('int_event_charge_quantities') }} as events
    inner join versions_in_period using (statement_id, plan_id, plan_version)
    inner join charges using (plan_id, plan_version, charge_key)
),

-- A charge that costs something even without usage is priced in every period of the plan.
unused as (
    select
        versions_in_period.version_in_period,
        charges.charge_number,
        cast(0 as decimal(38, 12)) as measured_quantity
    from versions_in_period
    inner join charges using (plan_id, plan_version)
    anti join measured
        on versions_in_period.version_in_period = measured.version_in_period
        and charges.charge_number = measured.charge_number
    where charges.first_flat_amount <> 0 and charges.zero_usage <> 'no_charge'
),

quantities as (
    select * from measured
    union all
    select * from unused
),

-- The arithmetic takes the texts along that it asks for, no others.
to_price as materialized (
    select
        quantities.version_in_period,
        quantities.charge_number,
        versions_in_period.statement_id,
        versions_in_period.version_start,
        charges.charge_key,
        charges.meter_id,
        charges.included_quantity,
        charges.transform_operation,
        charges.transform_factor,
        charges.transform_rounding,
        charges.rounding_mode,
        charges.rounding_step,
        quantities.measured_quantity
    from quantities
    inner join versions_in_period using (version_in_period)
    inner join charges using (charge_number)
),

priced as (
    {{ billable_quantities('to_price', 'several_versions') }}
),

billable as (
    select
        priced.*,
        versions_in_period.account_id,
        versions_in_period.subscription_id,
        versions_in_period.plan_id,
        versions_in_period.plan_version,
        versions_in_period.period_start,
        versions_in_period.period_end,
        charges.event_name as stripe_event_name,
        charges.model,
        charges.zero_usage,
        charges.percentage_discount
    from priced
    inner join versions_in_period using (version_in_period)
    inner join charges using (charge_number)
),

-- Periods up to the end of each of their parts but the last: few, if any.
up_to_cuts as (
    select hours.*
    from {{ ref('int_threshold_charge_hours') }} as hours
    semi join {{ ref('int_statement_parts') }} as parts on hours.instant_id = parts.rated_statement_id
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
    billable_before,
    billable_in_period,
    {{ charge_id(
        'statement_id',
        'plan_version',
        'charge_key',
        'meter_id',
        "'usage'"
    ) }} as charge_id,
    cast(null as varchar) as period_charge_id,
    cast(null as timestamptz) as rated_until
from billable
union all
select
    instant_id as statement_id,
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
    billable_before,
    billable_in_period,
    charge_id,
    {{ charge_id(
        'statement_id',
        'plan_version',
        'charge_key',
        'meter_id',
        "'usage'"
    ) }} as period_charge_id,
    reached_at as rated_until
from up_to_cuts
