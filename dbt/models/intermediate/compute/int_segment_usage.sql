{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: billing segment, meter, dimensions: the usage inside the segment, to the microsecond.
-- Hours that lie whole inside a segment are taken as they are; an hour that a segment's edge cuts is
-- measured again from its intervals. Segments are numbered here: sums group by a number, not by two texts.
-- depends_on: {{ ref('int_touched_accounts') }}
with

segments as materialized (
    select
        row_number() over () as segment_number,
        segment_id,
        account_id,
        segment_start,
        segment_end,
        -- The whole hours inside: from the first full hour on, up to the last full one.
        date_trunc('hour', segment_start + interval 1 hour - interval 1 microsecond) as whole_start,
        date_trunc('hour', segment_end) as whole_end
    from {{ ref('int_account_segments') }}
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_accounts') }} using (account_id)
    {%- endif %}
),

whole_hours as (
    select
        segments.segment_number,
        hours.dimensions,
        hours.us,
        hours.inferred_us
    from {{ ref('int_compute_hours') }} as hours
    inner join segments
        on hours.account_id = segments.account_id
        and hours.usage_hour >= segments.whole_start
        and hours.usage_hour < segments.whole_end
),

-- The stretches of a segment outside its whole hours: at most one at each edge.
edges as (
    select segment_number, account_id, segment_start as edge_start, least(whole_start, segment_end) as edge_end
    from segments
    where segment_start < whole_start
    union all
    select segment_number, account_id, greatest(whole_end, segment_start) as edge_start, segment_end as edge_end
    from segments
    where whole_end < segment_end and (whole_end >= whole_start)
),

edge_parts as (
    select
        edges.segment_number,
        intervals.dimensions,
        epoch_us(least(intervals.ended_at, edges.edge_end))
            - epoch_us(greatest(intervals.started_at, edges.edge_start)) as us,
        intervals.evidence <> 'observed' as is_inferred
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join edges
        on intervals.account_id = edges.account_id
        and intervals.started_at < edges.edge_end
        and intervals.ended_at > edges.edge_start
    where intervals.us > 0
),

compute_usage as (
    select
        segment_number,
        dimensions,
        cast(sum(us) as bigint) as us,
        cast(sum(inferred_us) as bigint) as inferred_us
    from (
        select segment_number, dimensions, us, inferred_us from whole_hours
        union all
        select segment_number, dimensions, us, case when is_inferred then us else 0 end from edge_parts
    ) as parts
    group by segment_number, dimensions
)

select
    segments.segment_id,
    segments.account_id,
    meters.meter_id,
    usage.dimensions,
    {{ compute_quantity('meters.measure', 'usage.us', 'sizes') }} as quantity,
    {{ compute_quantity('meters.measure', 'usage.inferred_us', 'sizes') }} as inferred_quantity
from compute_usage as usage
inner join segments using (segment_number)
inner join {{ ref('int_compute_sizes') }} as sizes using (dimensions)
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and {{ measure_applies('meters.measure', 'sizes') }}

union all

select
    segments.segment_id,
    segments.account_id,
    quantities.meter_id,
    quantities.dimensions,
    cast(sum(quantities.quantity) as decimal(38, 16)) as quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity
from {{ ref('int_amounts_measured') }} as quantities
inner join segments
    on quantities.account_id = segments.account_id
    and quantities.used_at >= segments.segment_start
    and quantities.used_at < segments.segment_end
group by segments.segment_id, segments.account_id, quantities.meter_id, quantities.dimensions

union all

select segment_id, account_id, meter_id, dimensions, quantity, inferred_quantity
from {{ ref('int_storage_segments') }}
{% if is_incremental() -%}
semi join {{ ref('int_touched_accounts') }} using (account_id)
{%- endif %}

union all

select
    segments.segment_id,
    segments.account_id,
    events.meter_id,
    events.selection as dimensions,
    cast(events.quantity as decimal(38, 16)) as quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity
from {{ ref('int_event_segment_quantities') }} as events
inner join segments using (segment_id)
where events.selected_by = 'dimensions'
