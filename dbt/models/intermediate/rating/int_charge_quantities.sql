{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: statement, plan version and charge: what is to be priced. The measured total of the period
-- is rounded once, half away from zero, to 12 places, then as its meter says, then transformed.
-- What event meters measured comes from int_event_charge_quantities.
-- Where a plan has several versions in a period, included quantity and tiers run on through them:
-- publishing a new version with the same prices never changes a bill. Few periods have several
-- versions: only in those is it asked what the others used.
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

-- What earlier versions of the period had measured.
measured_before as (
    select
        statement_id,
        plan_version,
        charge_key,
        cast(coalesce(sum(measured_quantity) over (
            partition by statement_id, charge_key, meter_id order by version_start
            rows between unbounded preceding and 1 preceding
        ), 0) as decimal(38, 12)) as quantity
    from described
    semi join several_versions using (statement_id)
),

so_far as (
    select
        described.*,
        cast(coalesce(measured_before.quantity, 0) as decimal(38, 12)) as before_quantity,
        cast(coalesce(measured_before.quantity, 0) + described.measured_quantity as decimal(38, 12))
            as so_far_quantity
    from described
    left join measured_before using (statement_id, plan_version, charge_key)
),

-- The quantity of the period is rounded as the meter says, not that of each version.
rounded as (
    select
        * exclude (rounding_mode, rounding_step, measured_quantity, before_quantity, so_far_quantity),
        cast(
            {{ round_to_step('so_far_quantity', 'rounding_mode', 'rounding_step') }}
            - {{ round_to_step('before_quantity', 'rounding_mode', 'rounding_step') }}
            as decimal(38, 12)
        ) as quantity
    from so_far
),

scaled as (
    select
        *,
        case transform_operation
            when 'multiply'
                then cast({{ multiply_exactly('quantity', 'transform_factor') }} as decimal(38, 12))
            when 'divide' then {{ divide_exactly('quantity', 'transform_factor') }}
        end as scaled_quantity
    from rounded
),

transformed as (
    select
        *,
        case
            when transform_operation is null then quantity
            else {{ round_to_step(
                'scaled_quantity', 'transform_rounding', 'cast(1 as decimal(38, 12))'
            ) }}
        end as priced_quantity
    from scaled
),

-- What earlier versions of the period had already used.
used_before as (
    select
        statement_id,
        plan_version,
        charge_key,
        row_number() over versions as version_number,
        cast(coalesce(sum(priced_quantity) over earlier_versions, 0) as decimal(38, 12))
            as quantity_before
    from transformed
    semi join several_versions using (statement_id)
    window
        versions as (partition by statement_id, charge_key, meter_id order by version_start),
        earlier_versions as (
            partition by statement_id, charge_key, meter_id order by version_start
            rows between unbounded preceding and 1 preceding
        )
),

in_order as (
    select
        transformed.*,
        coalesce(used_before.version_number, 1) as version_number,
        coalesce(used_before.quantity_before, 0) as quantity_before
    from transformed
    left join used_before using (statement_id, plan_version, charge_key)
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
