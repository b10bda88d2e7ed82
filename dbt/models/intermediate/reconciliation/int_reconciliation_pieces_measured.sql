-- Grain: account, Stripe event name, billing period, charge and interval, only of the accounts and
-- periods whose meter differs: what the interval counts inside the period, and what each mistake
-- that Stripe's side might have made would count for it instead. Intervals are cut at the segments
-- that rating uses, to the microsecond, and belong to a charge by its `where`, as in rating.
with

differing as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end
    from {{ ref('int_reconciliation_legs_compared') }}
    where leg = 'pushed_meter' and differs and {{ is_reconciled_again('account_id') }}
),

charges as (
    select
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.where_dimensions,
        meters.measure,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as stripe_event_name
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters on charges.meter_id = meters.meter_id
    where meters.source = 'compute'
),

targets as (
    select
        differing.account_id,
        differing.stripe_event_name,
        differing.period_start,
        differing.period_end,
        segments.segment_start,
        segments.segment_end,
        charges.charge_key,
        charges.where_dimensions,
        charges.measure
    from differing
    inner join {{ ref('int_billing_segments') }} as segments
        on differing.account_id = segments.account_id
        and differing.period_start = segments.period_start
        and differing.period_end = segments.period_end
    inner join charges
        on segments.plan_id = charges.plan_id
        and segments.plan_version = charges.plan_version
        and differing.stripe_event_name = charges.stripe_event_name
),

reach as (
    select
        account_id,
        min(segment_start) as first_at,
        max(segment_end) as last_at
    from targets
    group by account_id
),

intervals as (
    select
        {{ compute_interval_id('intervals') }} as interval_id,
        intervals.account_id,
        intervals.sandbox_id,
        intervals.started_at,
        intervals.ended_at,
        -- Up to where a meter that does not see the pause would have gone on counting.
        greatest(intervals.ended_at, intervals.paused_until) as counted_until,
        intervals.vcpu,
        intervals.memory_mib,
        intervals.disk_mib,
        intervals.gpu,
        intervals.dimensions,
        intervals.evidence,
        intervals.known_at,
        coalesce(intervals.repeated_deliveries, 0) as repeated_deliveries
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join reach
        on intervals.account_id = reach.account_id
        and intervals.started_at < reach.last_at
        and greatest(intervals.ended_at, intervals.paused_until) > reach.first_at
),

combinations as (
    select distinct
        coalesce(intervals.dimensions, '{}') as dimensions,
        targets.where_dimensions
    from intervals
    inner join targets on intervals.account_id = targets.account_id
),

matches as (
    select *
    from combinations
    where {{ dimensions_match('dimensions', 'where_dimensions') }}
),

cut as (
    select
        targets.account_id,
        targets.stripe_event_name,
        targets.period_start,
        targets.period_end,
        targets.charge_key,
        targets.measure,
        intervals.interval_id,
        intervals.sandbox_id,
        intervals.vcpu,
        intervals.memory_mib,
        intervals.disk_mib,
        intervals.gpu,
        intervals.evidence,
        intervals.known_at,
        intervals.repeated_deliveries,
        cast(sum(greatest(
            epoch_us(least(intervals.ended_at, targets.segment_end))
            - epoch_us(greatest(intervals.started_at, targets.segment_start)),
            0
        )) as bigint) as ran_us,
        cast(sum(greatest(
            epoch_us(least(intervals.counted_until, targets.segment_end))
            - epoch_us(greatest(intervals.ended_at, targets.segment_start)),
            0
        )) as bigint) as paused_us
    from targets
    inner join intervals
        on targets.account_id = intervals.account_id
        and targets.segment_end > intervals.started_at
        and targets.segment_start < intervals.counted_until
    inner join matches
        on coalesce(intervals.dimensions, '{}') = matches.dimensions
        and targets.where_dimensions = matches.where_dimensions
    group by all
),

rounded as (
    select
        *,
        ((ran_us + 999999) // 1000000) * 1000000 - ran_us as rounded_up_us
    from cut
)

select
    rounded.account_id,
    rounded.stripe_event_name,
    rounded.period_start,
    rounded.period_end,
    rounded.charge_key,
    rounded.interval_id,
    rounded.sandbox_id,
    rounded.evidence,
    rounded.known_at,
    rounded.repeated_deliveries,
    coalesce(
        {{ compute_quantity('rounded.measure', 'rounded.ran_us', 'rounded') }},
        cast(0 as decimal(38, 16))
    ) as quantity,
    coalesce(
        {{ compute_quantity('rounded.measure', 'rounded.paused_us', 'rounded') }},
        cast(0 as decimal(38, 16))
    ) as paused_quantity,
    coalesce(
        {{ compute_quantity('rounded.measure', 'rounded.rounded_up_us', 'rounded') }},
        cast(0 as decimal(38, 16))
    ) as rounded_up_quantity
from rounded
