{#-
    What measured quantities come to for their charge models. `measured` is a relation or CTE with one row for
    each statement, plan version (version_start) and charge (charge_key, meter_id), what the charge and its meter
    say of quantities, and its measured_quantity; `several_versions` one with the statement_id of those that have
    more than one version. All columns come back, with version_number, quantity (rounded), included_applied,
    billable_quantity, billable_before and billable_in_period. Rounding, transform and included quantity
    run on through the versions of a period (DECISIONS D04).
-#}
{% macro billable_quantities(measured, several_versions) -%}
with

-- What the versions before this one, and all of them, have measured in the period.
measured_in_period as materialized (
    select
        *,
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

-- The period is rounded, transformed and covered by the included quantity, not each version of it. Nearly every
-- charge has one version in its period and one total. A version of several has three: by its end (sign 1), by its
-- start (sign -1: it is taken off), and that of the period (sign 0).
totals as (
    select *, measured_quantity as total, 1 as sign, true as is_only_version
    from {{ measured }}
    anti join {{ several_versions }} using (statement_id)
    union all by name
    select
        * exclude (transform, version_number, before_total, period_total, is_transform_changed),
        unnest([
            cast(before_total + measured_quantity as decimal(38, 12)), before_total, period_total
        ]) as total,
        unnest([1, -1, 0]) as sign,
        false as is_only_version
    from measured_in_period
),

priced as materialized (
    {{ priced_totals('totals') }}
),

version_totals as (
    select
        statement_id,
        charge_key,
        meter_id,
        version_start,
        cast(sum(sign * total_rounded) as decimal(38, 12)) as quantity,
        cast(sum(sign * total_covered) as decimal(38, 12)) as included_applied,
        cast(sum(sign * (total_priced - total_covered)) as decimal(38, 12)) as billable_quantity,
        cast(sum(total_priced - total_covered) filter (where sign = -1) as decimal(38, 12)) as billable_before,
        cast(sum(total_priced - total_covered) filter (where sign = 0) as decimal(38, 12)) as billable_in_period
    from priced
    where not is_only_version
    group by statement_id, charge_key, meter_id, version_start
)

select
    * exclude (
        measured_quantity, total, sign, is_only_version, total_rounded, total_priced, total_covered
    ),
    1 as version_number,
    total_rounded as quantity,
    total_covered as included_applied,
    cast(total_priced - total_covered as decimal(38, 12)) as billable_quantity,
    cast(0 as decimal(38, 12)) as billable_before,
    cast(total_priced - total_covered as decimal(38, 12)) as billable_in_period
from priced
where is_only_version
union all by name
select
    measured_in_period.* exclude (
        measured_quantity, transform, before_total, period_total, is_transform_changed
    ),
    version_totals.quantity,
    version_totals.included_applied,
    version_totals.billable_quantity,
    -- Units of another transform cannot be added up: then the version counts the period in its own.
    case
        when measured_in_period.is_transform_changed then version_totals.billable_before
        else cast(coalesce(sum(version_totals.billable_quantity) over (
            partition by statement_id, charge_key, meter_id order by version_number
            rows between unbounded preceding and 1 preceding
        ), 0) as decimal(38, 12))
    end as billable_before,
    case
        when measured_in_period.is_transform_changed then version_totals.billable_in_period
        else cast(sum(version_totals.billable_quantity) over (
            partition by statement_id, charge_key, meter_id
        ) as decimal(38, 12))
    end as billable_in_period
from measured_in_period
inner join version_totals using (statement_id, charge_key, meter_id, version_start)
{%- endmacro %}
