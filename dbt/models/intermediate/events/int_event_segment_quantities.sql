{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: billing segment, meter whose parts do not add up, and selection of its events: those of one
-- combination of dimensions, or all that fall under one `where` of the price book. The quantity is one of
-- the whole statement, from all of its events; its segments are shares of it that sum to it exactly, at
-- 12 places (DECISIONS D38): a distinct value belongs to the segment in which it first occurs, a weighted
-- sum is measured in each, and max, min, latest and average are shared by time.
-- depends_on: {{ ref('int_touched_accounts') }}
with

-- What a trial used is a quantity of its own, beside the statement's.
account_segments as (
    select
        * exclude (statement_id),
        case when is_trial then statement_id || ' trial' else statement_id end as statement_id
    from {{ ref('int_account_segments') }}
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_accounts') }} using (account_id)
    {%- endif %}
),

segments as (
    select
        segment_id,
        statement_id,
        account_id,
        period_start,
        period_end,
        segment_start,
        segment_end,
        epoch_us(period_end) - epoch_us(period_start) as period_us,
        cast(sum(epoch_us(segment_end) - epoch_us(segment_start)) over so_far as bigint) as us_so_far,
        cast(sum(epoch_us(segment_end) - epoch_us(segment_start)) over (partition by statement_id) as bigint)
            as statement_us
    from account_segments
    window so_far as (partition by statement_id order by segment_start)
),

readings as (
    select *
    from {{ ref('int_event_values') }}
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_accounts') }} using (account_id)
    {%- endif %}
    where issue is null and not is_additive
),

combinations as (
    select distinct
        meter_id,
        dimensions
    from readings
),

conditions as (
    select distinct
        meter_id,
        where_dimensions
    from {{ ref('stg_pricebook__charges') }}
),

selections as (
    select
        meter_id,
        dimensions,
        'dimensions' as selected_by,
        dimensions as selection
    from combinations
    union all
    select
        combinations.meter_id,
        combinations.dimensions,
        'where' as selected_by,
        conditions.where_dimensions as selection
    from combinations
    inner join conditions using (meter_id)
    where {{ dimensions_match('combinations.dimensions', 'conditions.where_dimensions') }}
),

placed as (
    select
        segments.statement_id,
        segments.segment_id,
        segments.account_id,
        readings.meter_id,
        selections.selected_by,
        selections.selection,
        readings.aggregation,
        readings.occurred_at,
        readings.event_source,
        readings.event_id,
        readings.value,
        readings.value_text
    from readings
    inner join segments
        on readings.account_id = segments.account_id
        and readings.occurred_at >= segments.segment_start
        and readings.occurred_at < segments.segment_end
    inner join selections
        on readings.meter_id = selections.meter_id and readings.dimensions = selections.dimensions
    where readings.aggregation <> 'weighted_sum'
),

first_seen as (
    select
        account_id,
        meter_id,
        selected_by,
        selection,
        arg_min(segment_id, occurred_at) as segment_id
    from placed
    where aggregation = 'unique_count'
    group by statement_id, account_id, meter_id, selected_by, selection, value_text
),

seen as (
    select
        segment_id,
        account_id,
        meter_id,
        selected_by,
        selection,
        cast(count(*) as decimal(38, 12)) as quantity
    from first_seen
    group by segment_id, account_id, meter_id, selected_by, selection
),

grouped as (
    select
        statement_id,
        meter_id,
        selected_by,
        selection,
        aggregation,
        {{ event_sums() }}
    from placed
    where aggregation <> 'unique_count'
    group by statement_id, meter_id, selected_by, selection, aggregation
),

period_quantities as (
    select
        statement_id,
        meter_id,
        selected_by,
        selection,
        cast({{ event_quantity('aggregation') }} as decimal(38, 12)) as quantity
    from grouped
),

shared as (
    select
        segments.segment_id,
        segments.statement_id,
        segments.account_id,
        segments.segment_start,
        period_quantities.meter_id,
        period_quantities.selected_by,
        period_quantities.selection,
        {{ mean_exactly(
            whole_units('period_quantities.quantity') ~ ' * segments.us_so_far',
            fraction_units('period_quantities.quantity') ~ ' * segments.us_so_far',
            'segments.statement_us'
        ) }} as quantity_so_far
    from period_quantities
    inner join segments using (statement_id)
),

level_time as (
    select
        segments.segment_id,
        segments.statement_id,
        segments.account_id,
        segments.segment_start,
        segments.period_us,
        levels.meter_id,
        selections.selected_by,
        selections.selection,
        sum({{ whole_units('levels.level') }} * (
            epoch_us(least(levels.ended_at, segments.segment_end))
            - epoch_us(greatest(levels.started_at, segments.segment_start))
        )) as whole_us,
        sum({{ fraction_units('levels.level') }} * (
            epoch_us(least(levels.ended_at, segments.segment_end))
            - epoch_us(greatest(levels.started_at, segments.segment_start))
        )) as fraction_us
    from {{ ref('int_event_levels') }} as levels
    inner join segments
        on levels.account_id = segments.account_id
        and levels.started_at < segments.segment_end
        and levels.ended_at > segments.segment_start
    inner join selections
        on levels.meter_id = selections.meter_id and levels.dimensions = selections.dimensions
    where levels.level <> 0
    group by all
),

level_time_so_far as (
    select
        *,
        cast(sum(whole_us) over so_far as hugeint) as whole_us_so_far,
        cast(sum(fraction_us) over so_far as hugeint) as fraction_us_so_far
    from level_time
    window so_far as (
        partition by statement_id, meter_id, selected_by, selection
        order by segment_start
    )
),

so_far as (
    select
        segment_id,
        statement_id,
        account_id,
        segment_start,
        meter_id,
        selected_by,
        selection,
        quantity_so_far
    from shared
    union all
    select
        segment_id,
        statement_id,
        account_id,
        segment_start,
        meter_id,
        selected_by,
        selection,
        {{ mean_exactly('whole_us_so_far', 'fraction_us_so_far', 'period_us') }} as quantity_so_far
    from level_time_so_far
)

select
    segment_id,
    account_id,
    meter_id,
    selected_by,
    selection,
    cast(quantity_so_far - coalesce(lag(quantity_so_far) over (
        partition by statement_id, meter_id, selected_by, selection
        order by segment_start
    ), 0) as decimal(38, 12)) as quantity
from so_far

union all

select
    segment_id,
    account_id,
    meter_id,
    selected_by,
    selection,
    quantity
from seen
