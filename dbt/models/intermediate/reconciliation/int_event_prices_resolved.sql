-- Grain: account, Stripe event name, billing period: the price in force. unit_amount_minor is what
-- one more unit costs: the last tier that the period's usage reached under the period's last plan
-- version (nothing while the included quantity lasts), or the first tier where nothing was used.
-- Discounts and transforms of the charge are in it. unit_amounts_minor are all unit amounts that
-- an invoice of the period may rightly show: every tier of every version in force, discounted or
-- not.
with

segments as (
    select * from {{ ref('int_billing_segments') }}
),

charges as (
    select
        charges.*,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as event_name
    from {{ ref('stg_pricebook__charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters on charges.meter_id = meters.meter_id
),

in_force as (
    select
        segments.account_id,
        charges.event_name as stripe_event_name,
        segments.period_start,
        segments.period_end,
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.charge_order,
        charges.transform_operation,
        charges.transform_factor,
        cast(
            (100 - coalesce(charges.percentage_discount, 0)) * cast(0.01 as decimal(18, 2))
            as decimal(38, 18)
        ) as share_to_pay,
        {{ minor_factor('versions.currency') }} as minor_factor,
        max(segments.segment_end) as in_force_until
    from segments
    inner join charges
        on segments.plan_id = charges.plan_id and segments.plan_version = charges.plan_version
    inner join {{ ref('stg_pricebook__versions') }} as versions
        on segments.plan_id = versions.plan_id and segments.plan_version = versions.plan_version
    where charges.event_name <> ''
    group by all
),

reached as (
    select
        statements.account_id,
        statements.period_start,
        statements.period_end,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        max(tiers.tier_index) as tier_index
    from {{ ref('fct_charges') }} as lines
    inner join {{ ref('fct_charge_tiers') }} as tiers on lines.charge_id = tiers.charge_id
    inner join {{ ref('fct_statements') }} as statements
        on lines.statement_id = statements.statement_id
    where lines.charge_class = 'usage'
    group by all
),

tiers as (
    select
        in_force.account_id,
        in_force.stripe_event_name,
        in_force.period_start,
        in_force.period_end,
        in_force.plan_version,
        in_force.charge_key,
        in_force.charge_order,
        in_force.in_force_until,
        coalesce(reached.tier_index, 1) = tiers.tier_index as is_reached,
        tiers.tier_index,
        -- Each branch is cast: DuckDB gives a CASE the smallest of its scales.
        case in_force.transform_operation
            when 'multiply'
                then cast(
                    {{ multiply_exactly('tiers.unit_amount', 'in_force.transform_factor') }}
                    as decimal(38, 18)
                )
            when 'divide'
                then cast(
                    {{ divide_exactly('tiers.unit_amount', 'in_force.transform_factor') }}
                    as decimal(38, 18)
                )
            else cast(tiers.unit_amount as decimal(38, 18))
        end as unit_amount,
        in_force.minor_factor,
        in_force.share_to_pay
    from in_force
    inner join {{ ref('stg_pricebook__tiers') }} as tiers
        on in_force.plan_id = tiers.plan_id
        and in_force.plan_version = tiers.plan_version
        and in_force.charge_key = tiers.charge_key
    left join reached
        on in_force.account_id = reached.account_id
        and in_force.period_start = reached.period_start
        and in_force.period_end = reached.period_end
        and in_force.plan_id = reached.plan_id
        and in_force.plan_version = reached.plan_version
        and in_force.charge_key = reached.charge_key
),

in_minor_units as (
    select
        *,
        cast(unit_amount * minor_factor as decimal(38, 18)) as full_unit_amount_minor
    from tiers
),

discounted as (
    select
        *,
        {{ multiply_exactly('full_unit_amount_minor', 'share_to_pay') }} as unit_amount_minor,
        row_number() over (
            partition by account_id, stripe_event_name, period_start, period_end, is_reached
            order by in_force_until desc, charge_order asc, charge_key asc
        ) as choice
    from in_minor_units
),

amounts as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        unnest([
            cast(full_unit_amount_minor as decimal(38, 12)),
            cast(unit_amount_minor as decimal(38, 12))
        ]) as unit_amount_minor
    from discounted
),

allowed as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        list(distinct unit_amount_minor order by unit_amount_minor) as unit_amounts_minor
    from amounts
    group by account_id, stripe_event_name, period_start, period_end
),

last_reached as (
    select *
    from discounted
    where is_reached and choice = 1
)

select
    allowed.account_id,
    allowed.stripe_event_name,
    allowed.period_start,
    allowed.period_end,
    -- No tier is reached while the included quantity covers everything: one more unit costs
    -- nothing.
    coalesce(last_reached.unit_amount_minor, cast(0 as decimal(38, 18))) as unit_amount_minor,
    allowed.unit_amounts_minor
from allowed
left join last_reached
    on allowed.account_id = last_reached.account_id
    and allowed.stripe_event_name = last_reached.stripe_event_name
    and allowed.period_start = last_reached.period_start
    and allowed.period_end = last_reached.period_end
