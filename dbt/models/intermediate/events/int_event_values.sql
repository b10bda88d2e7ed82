{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_events'), ['event_source', 'event_id']) }}"
) }}
-- Grain: one event and meter that its type feeds: the value that the meter reads from its data. A number
-- may be text; one with more than 16 places is rounded to 16, half away from zero, as usage is kept
-- (DECISIONS D37). An event from which the meter can read nothing has an issue and no value.
-- depends_on: {{ ref('int_touched_events') }}
with

read as (
    select
        events.load_seq,
        events.record_number,
        events.event_source,
        events.event_id,
        events.event_type,
        events.occurred_at,
        events.account_id,
        events.data,
        meters.meter_id,
        meters.aggregation,
        meters.is_additive,
        meters.dimension_names,
        case
            when json_type(events.data, meters.value_path) = 'VARCHAR'
                then nullif(json_extract_string(events.data, meters.value_path), '')
        end as value_text
    from {{ ref('int_events') }} as events
    inner join {{ ref('int_event_meters') }} as meters using (event_type)
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_events') }} as touched using (event_source, event_id)
    {%- endif %}
),

numbers as (
    select
        *,
        case
            when {{ is_number('value_text') }} then try_cast(value_text as decimal(38, 16))
        end as number
    from read
),

valued as (
    select
        *,
        case
            when aggregation = 'count' then cast(1 as decimal(38, 16))
            -- Beyond, a sum of values could be more than the database can hold.
            when aggregation <> 'unique_count' and abs(number) < 1000000000000000 then number
        end as value
    from numbers
)

select
    load_seq,
    record_number,
    event_source,
    event_id,
    event_type,
    occurred_at,
    account_id,
    meter_id,
    aggregation,
    is_additive,
    '{' || array_to_string(list_filter(list_transform(
        dimension_names,
        lambda dimension: case
            when json_type(data, '$."' || dimension || '"') = 'VARCHAR'
                and json_extract_string(data, '$."' || dimension || '"') <> ''
                then cast(to_json(dimension) as varchar) || ':'
                    || cast(to_json(json_extract_string(data, '$."' || dimension || '"')) as varchar)
        end
    ), lambda pair: pair is not null), ',') || '}' as dimensions,
    value,
    case when aggregation = 'unique_count' then value_text end as value_text,
    case
        when aggregation = 'count' then null
        when value_text is null then 'event_value_missing'
        when aggregation <> 'unique_count' and value is null then 'event_value_not_a_number'
    end as issue
from valued
