{#-
    What measured quantities come to for their charge models. `measured` is a relation or CTE with one row for
    each statement, plan version (version_start) and charge, what the charge and its meter say of it, and its
    measured_quantity; `several_versions` one with the statement_id of those that have more than one
    version. All columns come back, with version_number, quantity (rounded), included_applied,
    billable_quantity, billable_before and billable_in_period. Rounding, transform and included quantity
    run on through the versions of a period (DECISIONS D04).
-#}
{% macro billable_quantities(measured, several_versions) -%}
with

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
        from {{ measured }}
    ) as measured
    semi join {{ several_versions }} using (statement_id)
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
        measured.*,
        coalesce(measured_in_period.version_number, 1) as version_number,
        coalesce(measured_in_period.is_transform_changed, false) as is_transform_changed,
        cast(coalesce(measured_in_period.before_total, 0) as decimal(38, 12)) as before_total,
        cast(coalesce(measured_in_period.before_total, 0) + measured.measured_quantity as decimal(38, 12))
            as total,
        cast(coalesce(measured_in_period.period_total, measured.measured_quantity) as decimal(38, 12))
            as period_total
    from {{ measured }} as measured
    left join measured_in_period using (statement_id, plan_version, charge_key)
),

-- The period is rounded, transformed and covered by the included quantity, not each version of it. Made once:
-- it is read three times, and planning it three times took longer than computing it.
priced as materialized (
    {{ priced_totals('totals', ['before_total', 'total', 'period_total']) }}
),

billable as materialized (
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
    semi join {{ several_versions }} using (statement_id)
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
    billable.* exclude (measured_quantity),
    cast(coalesce(billed_in_period.billable_before, 0) as decimal(38, 12)) as billable_before,
    coalesce(billed_in_period.billable_in_period, billable.billable_quantity) as billable_in_period
from billable
left join billed_in_period using (statement_id, plan_version, charge_key)
{%- endmacro %}
