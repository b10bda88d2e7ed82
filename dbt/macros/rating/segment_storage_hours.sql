{#-
    What object storage counts inside billing segments: one row for each segment of `segments` (a relation or CTE
    with segment_id, account_id, segment_start, segment_end), storage meter and UTC hour; two where both edges
    of a segment lie in one hour. Whole hours are taken as they stand; of an hour that a segment's edge cuts
    each part is the difference of what is rounded at its two ends, so that the parts of an hour add up to the
    hour (DECISIONS D36).
-#}
{% macro segment_storage_hours(segments) -%}
with

bounds as (
    select
        segment_id,
        account_id,
        segment_start,
        segment_end,
        date_trunc('hour', segment_start + interval 1 hour - interval 1 microsecond) as whole_start,
        date_trunc('hour', segment_end) as whole_end
    from {{ segments }}
),

meters as (
    select meter_id, measure
    from {{ ref('stg_pricebook__meters') }}
    where source = 'storage'
),

edges as (
    select
        segment_id,
        account_id,
        segment_start as edge_start,
        least(whole_start, segment_end) as edge_end
    from bounds
    where segment_start < whole_start
    union all
    select
        segment_id,
        account_id,
        greatest(whole_end, segment_start) as edge_start,
        segment_end as edge_end
    from bounds
    where whole_end < segment_end and whole_end >= whole_start
),

-- Byte-microseconds of the hour up to the edge's start and up to its end.
edge_sums as (
    select
        edges.segment_id,
        edges.account_id,
        intervals.evidence <> 'observed' as is_inferred,
        cast(intervals.bytes as hugeint) as bytes,
        greatest(
            epoch_us(least(intervals.ended_at, edges.edge_start))
            - epoch_us(greatest(intervals.started_at, date_trunc('hour', edges.edge_start))),
            0
        ) as us_before,
        greatest(
            epoch_us(least(intervals.ended_at, edges.edge_end))
            - epoch_us(greatest(intervals.started_at, date_trunc('hour', edges.edge_start))),
            0
        ) as us_until,
        edges.edge_start
    from edges
    inner join {{ ref('int_storage_intervals') }} as intervals
        on edges.account_id = intervals.account_id
        and edges.edge_end > intervals.started_at
        and date_trunc('hour', edges.edge_start) < intervals.ended_at
    where intervals.bytes > 0 and intervals.ended_at > intervals.started_at
),

edge_hours as (
    select
        segment_id,
        account_id,
        edge_start,
        sum(bytes * us_before) as before,
        sum(bytes * us_until) as until,
        sum(case when is_inferred then bytes * us_before else 0 end) as inferred_before,
        sum(case when is_inferred then bytes * us_until else 0 end) as inferred_until
    from edge_sums
    group by segment_id, account_id, edge_start
)

select
    bounds.segment_id,
    bounds.account_id,
    meters.meter_id,
    hours.usage_hour,
    {{ storage_quantity('meters.measure', 'hours.byte_us') }} as quantity,
    {{ storage_quantity('meters.measure', 'hours.inferred_byte_us') }} as inferred_quantity
from {{ ref('int_storage_hours') }} as hours
inner join bounds
    on hours.account_id = bounds.account_id
    and hours.usage_hour >= bounds.whole_start
    and hours.usage_hour < bounds.whole_end
cross join meters
union all
select
    hours.segment_id,
    hours.account_id,
    meters.meter_id,
    date_trunc('hour', hours.edge_start) as usage_hour,
    {{ storage_quantity('meters.measure', 'hours.until') }}
        - {{ storage_quantity('meters.measure', 'hours.before') }},
    {{ storage_quantity('meters.measure', 'hours.inferred_until') }}
        - {{ storage_quantity('meters.measure', 'hours.inferred_before') }}
from edge_hours as hours
cross join meters
where hours.until > hours.before
{%- endmacro %}
