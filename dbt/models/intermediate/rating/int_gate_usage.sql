{{ config(materialized='table') }}
-- Grain: account with a subscription in force at the as-of time: its billing period under way, what the plan
-- and the subscription allow in it, and what its usage comes to so far (after discounts and the plan's
-- maximum, before credits). Included amount and included quantities as they are rated (DECISIONS D07),
-- the default cap and the limits of the version in force (D53).
with

in_force as (
    select
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        statement_id,
        period_start,
        period_end,
        is_trial
    from {{ ref('int_account_segments') }}
    where segment_start <= {{ as_of() }} and segment_end > {{ as_of() }}
),

periods as (
    select
        statement_id,
        min(segment_start) as counted_from,
        coalesce(
            arg_min(plan_version, segment_start) filter (where not is_trial),
            arg_min(plan_version, segment_start)
        ) as first_version
    from {{ ref('int_account_segments') }}
    semi join in_force using (statement_id)
    group by statement_id
),

subscriptions_begun as (
    select subscription_id, min(segment_start) as started_at
    from {{ ref('int_account_segments') }}
    group by subscription_id
),

-- A period that is billed in parts is rounded as a whole here, as its hours are (int_gate_hours).
lines as (
    select
        coalesce(parts.billing_period_id, lines.statement_id) as statement_id,
        {{ to_minor('sum(lines.amount)', 'any_value(lines.currency)') }} as amount_minor
    from {{ ref('int_lines_rated') }} as lines
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
    where lines.charge_class in ('usage', 'discount')
        and coalesce(parts.billing_period_id, lines.statement_id) in (
            select in_force.statement_id from in_force
        )
    group by
        coalesce(parts.billing_period_id, lines.statement_id),
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.charge_class
),

usage as (
    select statement_id, cast(sum(amount_minor) as bigint) as usage_minor
    from lines
    group by statement_id
),

-- Plans that sell nothing but what they include.
quantity_plans as (
    select plan_id, plan_version
    from {{ ref('int_price_charges') }}
    group by plan_id, plan_version
    having min(included_quantity) > 0
)

select
    in_force.account_id,
    in_force.subscription_id,
    in_force.statement_id,
    in_force.plan_id,
    in_force.plan_version,
    in_force.period_start,
    in_force.period_end,
    periods.counted_from,
    greatest(versions.valid_from, subscriptions_begun.started_at) as version_since,
    first_versions.currency,
    subscriptions.on_demand,
    case
        when in_force.is_trial then 0
        else {{ to_minor('versions.base_amount', 'versions.currency') }}
    end as base_minor,
    {{ to_minor('nullif(first_versions.included_amount, 0)', 'first_versions.currency') }} as included_minor,
    {{ to_minor('first_versions.maximum_amount', 'first_versions.currency') }} as maximum_minor,
    case
        when subscriptions.on_demand
            then {{ to_minor(
                'coalesce(subscriptions.spending_cap, versions.default_spending_cap)', 'first_versions.currency'
            ) }}
    end as cap_minor,
    first_versions.included_amount is null and quantity_plans.plan_id is not null as is_quantity_plan,
    least(
        coalesce(usage.usage_minor, 0),
        {{ to_minor('first_versions.maximum_amount', 'first_versions.currency') }}
    ) as usage_minor,
    versions.max_concurrent_sandboxes,
    versions.allowed_memory_mib
from in_force
inner join periods using (statement_id)
inner join subscriptions_begun using (subscription_id)
inner join {{ ref('stg_accounts__subscriptions') }} as subscriptions using (subscription_id)
inner join {{ ref('int_price_versions') }} as versions
    on in_force.plan_id = versions.plan_id and in_force.plan_version = versions.plan_version
inner join {{ ref('int_price_versions') }} as first_versions
    on in_force.plan_id = first_versions.plan_id and periods.first_version = first_versions.plan_version
left join quantity_plans
    on in_force.plan_id = quantity_plans.plan_id and in_force.plan_version = quantity_plans.plan_version
left join usage using (statement_id)
