{#-
    What charges came to by each instant, before discounts, exact. `hours`: what charge_hours gave, with the same
    `ended_only`. Its columns come back for each charge of an instant that costs something, with currency and
    amount. The models are those of int_charge_tiers.
-#}
{% macro charge_hour_amounts(hours, ended_only=false) -%}
{%- set hour_end = "date_trunc('hour', events.used_at) + interval 1 hour" -%}
{%- set counted_at = hour_end if ended_only else 'least(' ~ hour_end ~ ', ' ~ as_of() ~ ')' -%}
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
    from {{ hours }} as hours
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
        and charges.reached_at >= {{ counted_at }}
    where charges.rated_as = 'by_event'
    group by charges.charge_id
)

select
    charges.* exclude (real_charge_id, rated_as),
    amounts.amount
from amounts
inner join charges using (charge_id)
{%- endmacro %}
