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

-- As for the lines themselves: the version in force when the subscription's time in the period begins.
first_versions as (
    select statement_id, plan_id, arg_min(plan_version, segment_start) as plan_version
    from {{ ref('int_billing_segments') }}
    semi join open_statements using (statement_id)
    semi join minimums using (plan_id)
    group by statement_id, plan_id
),

usage as (
    select statement_id, cast(sum(amount_minor) as bigint) as usage_minor
    from {{ ref('int_lines_rated') }}
    semi join first_versions using (statement_id)
    where charge_class in ('usage', 'discount', 'maximum_cap')
    group by statement_id
),

true_ups as (
    select
        first_versions.statement_id,
        greatest(minimums.minimum_minor - coalesce(usage.usage_minor, 0), 0) as true_up_minor
    from first_versions
    inner join minimums using (plan_id, plan_version)
    left join usage using (statement_id)
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
