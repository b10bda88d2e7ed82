{{ config(materialized='ephemeral') }}
-- Grain: statement and plan-level rule that changes its total: maximum, minimum, included amount.
-- The rules are those of the version in force when the subscription's time in the period begins,
-- and hold for the period's usage after discounts; they are not prorated, and the base fee is on
-- top. They are worked out in minor units, on lines already rounded, so that a capped statement
-- comes to exactly its cap and a fully covered one to exactly nothing. In a period that is billed in parts
-- each part has what is due by its end less what was due by its start, and the last one the minimum (D62).
with

limits as (
    select
        plan_id,
        plan_version,
        currency,
        {{ to_minor('maximum_amount', 'currency') }} as maximum_minor,
        {{ to_minor('minimum_amount', 'currency') }} as minimum_minor,
        {{ to_minor('included_amount', 'currency') }} as included_minor
    from {{ ref('int_price_versions') }}
    where maximum_amount is not null or minimum_amount is not null or included_amount is not null
),

first_versions as (
    select
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        period_start,
        period_end,
        arg_min(plan_version, segment_start) as plan_version
    from {{ ref('int_billing_segments') }}
    {{ semi_join_touched_accounts() }}
    semi join limits using (plan_id)
    group by all
),

rules as (
    select
        coalesce(parts.statement_id, first_versions.statement_id) as statement_id,
        first_versions.statement_id as billing_period_id,
        first_versions.account_id,
        first_versions.subscription_id,
        first_versions.plan_id,
        first_versions.plan_version,
        coalesce(parts.period_start, first_versions.period_start) as period_start,
        coalesce(parts.period_end, first_versions.period_end) as period_end,
        limits.currency,
        limits.maximum_minor,
        limits.minimum_minor,
        limits.included_minor,
        coalesce(parts.is_last_part, true) and first_versions.period_end <= {{ as_of() }} as is_closed
    from first_versions
    inner join limits using (plan_id, plan_version)
    left join {{ ref('int_statement_parts') }} as parts
        on first_versions.statement_id = parts.billing_period_id
),

discounted_lines as (
    select statement_id, amount_minor from {{ ref('int_usage_lines_rated') }}
    union all
    select statement_id, amount_minor from {{ ref('int_discount_lines_rated') }}
),

usage as (
    select statement_id, cast(sum(amount_minor) as bigint) as usage_minor
    from discounted_lines
    group by statement_id
),

used as (
    select
        rules.*,
        coalesce(usage.usage_minor, 0) as usage_minor,
        cast(sum(coalesce(usage.usage_minor, 0)) over (
            partition by rules.billing_period_id order by rules.period_start
        ) as bigint) as used_minor
    from rules
    left join usage using (statement_id)
),

-- A maximum of null is none: least() passes it over.
capped as (
    select
        *,
        least(used_minor, maximum_minor) as capped_minor,
        least(used_minor - usage_minor, maximum_minor) as capped_before_minor
    from used
),

applied as (
    select
        *,
        'maximum_cap' as charge_class,
        'maximum_amount' as charge_key,
        cast(capped_minor - capped_before_minor - usage_minor as bigint) as amount_minor
    from capped
    union all
    select
        *,
        'minimum_true_up' as charge_class,
        'minimum_amount' as charge_key,
        cast(
            case
                when is_closed then greatest(coalesce(minimum_minor, 0) - capped_minor, 0) else 0
            end as bigint
        )
            as amount_minor
    from capped
    union all
    select
        *,
        'included' as charge_class,
        'included_amount' as charge_key,
        cast(
            least(coalesce(included_minor, 0), greatest(capped_before_minor, 0))
            - least(coalesce(included_minor, 0), greatest(capped_minor, 0)) as bigint
        )
            as amount_minor
    from capped
)

select
    {{ charge_id(
        'statement_id', 'plan_version', 'charge_key', 'null', 'charge_class'
    ) }} as charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    charge_key,
    period_start,
    period_end,
    charge_class,
    currency,
    {{ from_minor('amount_minor', 'currency') }} as amount,
    amount_minor
from applied
where amount_minor <> 0
