{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_events'), ['event_source', 'event_id']) }}"
) }}
-- Grain: one event and path at which a dynamic price looks for the event's own amount: what stands there, as
-- text (DECISIONS D46). Empty where no charge has such a price.
-- depends_on: {{ ref('int_touched_events') }}
with

paths as (
    select distinct
        meters.event_type,
        charges.amount_path
    from {{ ref('stg_pricebook__charges') }} as charges
    inner join {{ ref('int_event_meters') }} as meters using (meter_id)
    where charges.amount_path is not null
),

told as (
    select
        events.event_source,
        events.event_id,
        paths.amount_path,
        case
            when json_type(events.data, paths.amount_path) = 'VARCHAR'
                then nullif(json_extract_string(events.data, paths.amount_path), '')
        end as amount_text
    from {{ ref('int_events') }} as events
    inner join paths using (event_type)
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_events') }} as touched using (event_source, event_id)
    {%- endif %}
)

select * from told
where amount_text is not null
