{#-
    What the charges of billing periods had to price by each of some instants, by the arithmetic that prices the
    period itself: each instant is a statement of its own, `instant_id`, so that a later one differs from an
    earlier one by what lies between (DECISIONS D54, D62). `statements` is a relation or CTE with the statement_id
    of each period and counted_from, `instants` one with statement_id and reached_at. The instants are those,
    and of the ends of the UTC hours with usage those after counted_from. An hour that has not ended counts at
    the as-of, and what does not add up at its last event; with `ended_only` neither counts. One row for each
    statement, instant, plan version and charge.
-#}
{% macro charge_hours(statements, instants, ended_only=false) -%}
{%- set hour_us = 3600000000 -%}
{%- set hour_end = 'make_timestamptz((hour_number + 1) * ' ~ hour_us ~ ')' -%}
{%- set counted_at = hour_end if ended_only else 'least(' ~ hour_end ~ ', ' ~ as_of() ~ ')' -%}
with

segments as materialized (
    select segments.*
    from {{ ref('int_billing_segments') }} as segments
    semi join {{ statements }} using (statement_id)
),

compute_pieces as (
    select
        segments.segment_id,
        intervals.dimensions,
        epoch_us(greatest(intervals.started_at, segments.segment_start)) as a,
        epoch_us(least(intervals.ended_at, segments.segment_end)) as b
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join segments
        on intervals.account_id = segments.account_id
        and intervals.started_at < segments.segment_end
        and intervals.ended_at > segments.segment_start
    where intervals.us > 0
),

compute_hours as (
    select
        segment_id,
        dimensions,
        hour_number,
        cast(sum(
            least(b, (hour_number + 1) * {{ hour_us }}) - greatest(a, hour_number * {{ hour_us }})
        ) as bigint) as us
    from (
        select *, unnest(range(a // {{ hour_us }}, (b - 1) // {{ hour_us }} + 1)) as hour_number
        from compute_pieces
    ) as crossings
    group by segment_id, dimensions, hour_number
),

storage_hours as (
    {{ segment_storage_hours('segments') }}
),

usage_hours as (
    select
        hours.segment_id,
        meters.meter_id,
        hours.dimensions,
        hours.hour_number,
        {{ compute_quantity('meters.measure', 'hours.us', 'sizes') }} as quantity
    from compute_hours as hours
    inner join {{ ref('int_compute_sizes') }} as sizes using (dimensions)
    inner join {{ ref('stg_pricebook__meters') }} as meters
        on meters.source = 'compute' and {{ measure_applies('meters.measure', 'sizes') }}
    union all
    select
        segment_id,
        meter_id,
        '{}' as dimensions,
        epoch_us(usage_hour) // {{ hour_us }} as hour_number,
        quantity
    from storage_hours
    union all
    select
        segments.segment_id,
        amounts.meter_id,
        amounts.dimensions,
        epoch_us(amounts.used_at) // {{ hour_us }} as hour_number,
        cast(sum(amounts.quantity) as decimal(38, 16)) as quantity
    from {{ ref('int_amounts_measured') }} as amounts
    inner join segments
        on amounts.account_id = segments.account_id
        and amounts.used_at >= segments.segment_start
        and amounts.used_at < segments.segment_end
    group by all
),

charges as (
    select
        charges.*,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as event_name,
        tiers.flat_amount as first_flat_amount,
        meters.source as meter_source,
        meters.rounding_mode,
        meters.rounding_step
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
    inner join {{ ref('int_price_tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
        and tiers.tier_index = 1
),

added_up as (
    select
        segments.statement_id,
        segments.plan_version,
        charges.charge_key,
        charges.meter_id,
        usage_hours.hour_number,
        usage_hours.quantity
    from usage_hours
    inner join segments using (segment_id)
    inner join charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and usage_hours.meter_id = charges.meter_id
    inner join {{ ref('int_usage_matched') }} as matches
        on usage_hours.meter_id = matches.meter_id
        and usage_hours.dimensions is not distinct from matches.dimensions
        and charges.where_dimensions = matches.where_dimensions
    where matches.is_match
),

{% if not ended_only -%}
-- A quantity that does not add up is one of the period (DECISIONS D38): it counts from the hour of the
-- last event on, a level that runs on from the as-of.
last_events as (
    select
        segments.statement_id,
        readings.meter_id,
        max(case when readings.aggregation = 'weighted_sum' then {{ as_of() }} else readings.occurred_at end)
            as last_at
    from {{ ref('int_event_values') }} as readings
    inner join segments
        on readings.account_id = segments.account_id
        and readings.occurred_at >= segments.segment_start
        and readings.occurred_at < segments.segment_end
    where readings.issue is null and not readings.is_additive
    group by segments.statement_id, readings.meter_id
),

shared_out as (
    select
        segments.statement_id,
        segments.plan_version,
        charges.charge_key,
        charges.meter_id,
        epoch_us(coalesce(last_events.last_at, {{ as_of() }})) // {{ hour_us }} as hour_number,
        cast(quantities.quantity as decimal(38, 16)) as quantity
    from {{ ref('int_event_segment_quantities') }} as quantities
    inner join segments using (segment_id)
    inner join charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and quantities.meter_id = charges.meter_id
        and quantities.selection = charges.where_dimensions
    left join last_events
        on segments.statement_id = last_events.statement_id and quantities.meter_id = last_events.meter_id
    where quantities.selected_by = 'where'
),

{% endif -%}
by_hour as (
    select * from added_up
    {%- if not ended_only %}
    union all
    select * from shared_out
    {%- endif %}
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
    from segments
    group by all
),

hour_ends as (
    select distinct
        statement_id,
        {{ counted_at }} as reached_at
    from by_hour
    {%- if ended_only %}
    where {{ hour_end }} <= {{ as_of() }}
    {%- endif %}
),

instants as (
    select
        statement_id,
        reached_at,
        bool_or(is_named) as is_named
    from (
        select statement_id, reached_at, false as is_named from hour_ends
        union all
        select statement_id, reached_at, true as is_named from {{ instants }}
    ) as every_instant
    group by statement_id, reached_at
),

-- A charge that costs something even without usage is priced in every version of the period.
priced_charges as (
    select statement_id, plan_version, charge_key
    from by_hour
    union
    select versions_in_period.statement_id, charges.plan_version, charges.charge_key
    from versions_in_period
    inner join charges using (plan_id, plan_version)
    where charges.first_flat_amount <> 0 and charges.zero_usage <> 'no_charge'
),

at_instants as (
    select
        statement_id,
        plan_version,
        charge_key,
        {{ counted_at }} as reached_at,
        sum(quantity) as quantity
    from by_hour
    group by all
),

so_far as (
    select
        instants.statement_id,
        instants.reached_at,
        instants.is_named,
        priced_charges.plan_version,
        priced_charges.charge_key,
        cast(round(coalesce(sum(at_instants.quantity) over (
            partition by instants.statement_id, priced_charges.plan_version, priced_charges.charge_key
            order by instants.reached_at
        ), 0), 12) as decimal(38, 12)) as quantity
    from instants
    inner join priced_charges using (statement_id)
    left join at_instants
        on instants.statement_id = at_instants.statement_id
        and instants.reached_at = at_instants.reached_at
        and priced_charges.plan_version = at_instants.plan_version
        and priced_charges.charge_key = at_instants.charge_key
),

described as (
    select
        versions_in_period.* exclude (statement_id),
        so_far.statement_id as real_statement_id,
        so_far.reached_at,
        so_far.statement_id || '@' || cast(epoch_us(so_far.reached_at) as varchar) as statement_id,
        charges.* exclude (plan_id, plan_version, where_dimensions, stripe_event_name, properties),
        so_far.quantity
    from so_far
    inner join {{ statements }} as statements
        on so_far.statement_id = statements.statement_id
        and (so_far.is_named or so_far.reached_at > statements.counted_from)
    inner join versions_in_period
        on so_far.statement_id = versions_in_period.statement_id
        and so_far.plan_version = versions_in_period.plan_version
    inner join charges
        on versions_in_period.plan_id = charges.plan_id
        and so_far.plan_version = charges.plan_version
        and so_far.charge_key = charges.charge_key
),

-- Below zero a sum of events bills nothing, as in int_event_charge_quantities.
described_events as (
    select * from described where meter_source = 'events'
),

kept as (
    select * from described where meter_source <> 'events'
    union all by name
    {{ never_below_zero('described_events') }}
),

-- Versions that have had none of a charge by then have no part in it.
measured as (
    select * exclude (quantity), quantity as measured_quantity
    from kept
    where quantity <> 0 or (first_flat_amount <> 0 and zero_usage <> 'no_charge')
),

several_versions as (
    select statement_id
    from measured
    group by statement_id
    having count(distinct plan_version) > 1
),

billable as (
    {{ billable_quantities('measured', 'several_versions') }}
)

select
    {{ charge_id('statement_id', 'plan_version', 'charge_key', 'meter_id', "'usage'") }} as charge_id,
    statement_id as instant_id,
    real_statement_id as statement_id,
    reached_at,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    period_start,
    period_end,
    charge_key,
    meter_id,
    event_name as stripe_event_name,
    model,
    zero_usage,
    percentage_discount,
    version_number,
    quantity,
    included_applied,
    billable_quantity,
    billable_before,
    billable_in_period
from billable
{%- endmacro %}
