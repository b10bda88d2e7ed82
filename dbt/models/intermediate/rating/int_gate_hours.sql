{{ config(materialized='table') }}
-- Grain: statement and instant, of the billing periods under way in which something was reached: what their
-- usage came to by then, after discounts and the plan's maximum, as lines of a statement are rounded. The
-- models are those of int_charge_tiers, the discount that of int_discount_lines_rated.
with

charges as (
    select
        hours.*,
        versions.currency,
        {{ charge_id(
            'hours.statement_id', 'hours.plan_version', 'hours.charge_key', 'hours.meter_id', "'usage'"
        ) }} as real_charge_id,
        case
            when described.is_rated_by_event then 'by_event'
            when hours.model in ('graduated', 'graduated_percentage', 'percentage') then 'graduated'
            when hours.model in ('package', 'graduated_package') then 'package'
            else hours.model
        end as rated_as
    from {{ ref('int_gate_charge_hours') }} as hours
    inner join {{ ref('int_price_charges') }} as described using (plan_id, plan_version, charge_key)
    inner join {{ ref('int_price_versions') }} as versions using (plan_id, plan_version)
),
{% for rated_as in ('standard', 'graduated', 'volume', 'package', 'volume_package') %}
{{ rated_as }} as (
    select * from charges where rated_as = '{{ rated_as }}'
),
{% endfor %}
tiers as (
    {{ tiers_standard('standard') }}
    union all
    {{ tiers_graduated('graduated') }}
    union all
    {{ tiers_volume('volume') }}
    union all
    {{ tiers_package('package') }}
    union all
    {{ tiers_volume_package('volume_package') }}
),

amounts as (
    select
        charge_id,
        cast(sum(
            cast({{ multiply_exactly('quantity', 'unit_amount') }} + flat_amount as decimal(38, 18))
        ) as decimal(38, 18)) as amount
    from tiers
    group by charge_id
    union all
    select
        charges.charge_id,
        cast(sum(events.amount) as decimal(38, 18)) as amount
    from charges
    inner join {{ ref('int_charge_events') }} as events
        on charges.real_charge_id = events.charge_id
        and charges.reached_at
        >= least(date_trunc('hour', events.used_at) + interval 1 hour, {{ as_of() }})
    where charges.rated_as = 'by_event'
    group by charges.charge_id
),

lines as (
    select
        charges.statement_id,
        charges.reached_at,
        {{ to_minor('amounts.amount', 'charges.currency') }}
        - {{ to_minor(
            percent_of('amounts.amount', 'coalesce(charges.percentage_discount, 0)'), 'charges.currency'
        ) }} as amount_minor
    from amounts
    inner join charges using (charge_id)
),

instants as (
    select statement_id, reached_at from {{ ref('int_gate_charge_hours') }}
    union
    select thresholds.statement_id, usage.counted_from as reached_at
    from {{ ref('int_gate_thresholds') }} as thresholds
    inner join {{ ref('int_gate_usage') }} as usage using (statement_id)
),

summed as (
    select
        instants.statement_id,
        instants.reached_at,
        coalesce(sum(lines.amount_minor), 0) as usage_minor
    from instants
    left join lines using (statement_id, reached_at)
    group by instants.statement_id, instants.reached_at
)

select
    summed.statement_id,
    summed.reached_at,
    cast(least(summed.usage_minor, usage.maximum_minor) as bigint) as usage_minor
from summed
inner join {{ ref('int_gate_usage') }} as usage using (statement_id)
