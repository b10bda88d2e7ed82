{#-
    The body of int_event_hours and int_event_days: for each account, meter whose aggregation does not
    add up, dimensions and UTC hour or day with usage, the meter's aggregation of that window alone. For
    weighted_sum that is the time-weighted level, the window's whole length being the divisor.
    In an incremental build only the windows of touched days.
-#}
{% macro event_usage(unit) -%}
{%- set unit_us = {'hour': 3600000000, 'day': 86400000000}[unit] -%}
{%- set day_us = 86400000000 -%}
with

readings as (
    select
        account_id,
        meter_id,
        dimensions,
        aggregation,
        date_trunc('{{ unit }}', occurred_at) as used_from,
        occurred_at,
        event_source,
        event_id,
        value,
        value_text
    from {{ ref('int_event_values') }} as readings
    where
        issue is null and not is_additive and aggregation <> 'weighted_sum'
        {%- if not flags.FULL_REFRESH %}
        and exists (
            select 1
            from {{ ref('int_touched_account_days') }} as touched
            where
                touched.account_id = readings.account_id
                and touched.usage_date = cast(readings.occurred_at as date)
        )
        {%- endif %}
),

grouped as (
    select
        account_id,
        meter_id,
        dimensions,
        aggregation,
        used_from,
        {{ event_sums() }}
    from readings
    group by account_id, meter_id, dimensions, aggregation, used_from
),

stretches as (
    select
        levels.account_id,
        levels.meter_id,
        levels.dimensions,
        levels.level,
        {%- if flags.FULL_REFRESH %}
        epoch_us(levels.started_at) as a,
        epoch_us(levels.ended_at) as b
        {%- else %}
        greatest(epoch_us(levels.started_at), epoch_us(cast(touched.usage_date as timestamptz))) as a,
        least(epoch_us(levels.ended_at), epoch_us(cast(touched.usage_date as timestamptz)) + {{ day_us }}) as b
        {%- endif %}
    from {{ ref('int_event_levels') }} as levels
    {%- if not flags.FULL_REFRESH %}
    inner join {{ ref('int_touched_account_days') }} as touched
        on levels.account_id = touched.account_id
        and levels.started_at < cast(touched.usage_date as timestamptz) + interval 1 day
        and levels.ended_at > cast(touched.usage_date as timestamptz)
    {%- endif %}
    where levels.level <> 0 and levels.started_at < levels.ended_at
),

numbered as (
    select *, unnest(range(a // {{ unit_us }}, (b - 1) // {{ unit_us }} + 1)) as window_number
    from stretches
),

weighted as (
    select
        account_id,
        meter_id,
        dimensions,
        window_number,
        sum({{ whole_units('level') }} * (
            least(b, (window_number + 1) * {{ unit_us }}) - greatest(a, window_number * {{ unit_us }})
        )) as whole_us,
        sum({{ fraction_units('level') }} * (
            least(b, (window_number + 1) * {{ unit_us }}) - greatest(a, window_number * {{ unit_us }})
        )) as fraction_us
    from numbered
    group by account_id, meter_id, dimensions, window_number
)

select
    account_id,
    meter_id,
    dimensions,
    used_from,
    cast(used_from as date) as usage_date,
    {{ event_quantity('aggregation') }} as quantity
from grouped

union all

select
    account_id,
    meter_id,
    dimensions,
    make_timestamptz(window_number * {{ unit_us }}) as used_from,
    cast(make_timestamptz(window_number * {{ unit_us }}) as date) as usage_date,
    cast({{ mean_exactly('whole_us', 'fraction_us', unit_us) }} as decimal(38, 16)) as quantity
from weighted
{%- endmacro %}
