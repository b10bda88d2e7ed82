{{ config(materialized='view') }}
-- Grain: statement of an open period; key statement_id. What it comes to so far, and apart from that
-- what its minimum would add at the period's end if nothing more were used (DECISIONS D56). Whole base
-- fees of the period are in the subtotal from its beginning on.
with

open_statements as (
    select *
    from {{ ref('fct_statements') }}
    where status = 'open'
),

minimums as (
    select plan_id, plan_version, {{ to_minor('minimum_amount', 'currency') }} as minimum_minor
    from {{ ref('int_price_versions') }}
    where minimum_amount is not null
),

-- Of a period that is billed in parts the last one is open; its minimum is that of the period (DECISIONS D62).
parts as (
    select * from {{ ref('int_statement_parts') }}
),

open_periods as (
    select
        open_statements.statement_id,
        coalesce(parts.billing_period_id, open_statements.statement_id) as billing_period_id
    from open_statements
    left join parts using (statement_id)
),

-- As for the lines themselves: the version in force when the subscription's time in the period begins.
first_versions as (
    select
        open_periods.statement_id,
        open_periods.billing_period_id,
        segments.plan_id,
        arg_min(segments.plan_version, segments.segment_start) as plan_version
    from {{ ref('int_billing_segments') }} as segments
    inner join open_periods on segments.statement_id = open_periods.billing_period_id
    semi join minimums on segments.plan_id = minimums.plan_id
    group by open_periods.statement_id, open_periods.billing_period_id, segments.plan_id
),

usage as (
    select
        coalesce(parts.billing_period_id, lines.statement_id) as billing_period_id,
        cast(sum(lines.amount_minor) as bigint) as usage_minor
    from {{ ref('int_lines_rated') }} as lines
    left join parts using (statement_id)
    where lines.charge_class in ('usage', 'discount', 'maximum_cap')
        and coalesce(parts.billing_period_id, lines.statement_id) in (
            select first_versions.billing_period_id from first_versions
        )
    group by coalesce(parts.billing_period_id, lines.statement_id)
),

true_ups as (
    select
        first_versions.statement_id,
        greatest(minimums.minimum_minor - coalesce(usage.usage_minor, 0), 0) as true_up_minor
    from first_versions
    inner join minimums using (plan_id, plan_version)
    left join usage using (billing_period_id)
),

projected as (
    select
        open_statements.*,
        cast(coalesce(true_ups.true_up_minor, 0) as bigint) as minimum_true_up_minor
    from open_statements
    left join true_ups using (statement_id)
)

select
    statement_id,
    account_id,
    subscription_id,
    period,
    period_start,
    period_end,
    currency,
    subtotal_minor,
    minimum_true_up_minor,
    subtotal_minor + minimum_true_up_minor as projected_subtotal_minor,
    credits_minor,
    subtotal_minor + minimum_true_up_minor - credits_minor as projected_total_minor
from projected
