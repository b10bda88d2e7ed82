{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account, dimensions, UTC hour. us: sandbox-microseconds; inferred_us: those not observed.
-- Each interval gives one row for its first hour and one for every hour boundary it crosses; sizes are
-- multiplied in after the sum, since they are part of the group.
-- depends_on: {{ ref('int_touched_account_days') }}
{%- set hour_us = 3600000000 %}
with

{% if is_incremental() -%}
-- The part of each interval that lies in a touched day of its account.
stretches as (
    select
        intervals.account_id,
        intervals.dimensions,
        greatest(epoch_us(intervals.started_at), epoch_us(cast(touched.usage_date as timestamptz))) as a,
        least(
            epoch_us(intervals.ended_at), epoch_us(cast(touched.usage_date as timestamptz)) + 24 * {{ hour_us }}
        ) as b,
        intervals.evidence <> 'observed' as is_inferred
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join {{ ref('int_touched_account_days') }} as touched
        on intervals.account_id = touched.account_id
        and intervals.started_at < cast(touched.usage_date as timestamptz) + interval 1 day
        and intervals.ended_at > cast(touched.usage_date as timestamptz)
    where intervals.us > 0
),
{%- else -%}
stretches as (
    select
        account_id,
        dimensions,
        epoch_us(started_at) as a,
        epoch_us(ended_at) as b,
        evidence <> 'observed' as is_inferred
    from {{ ref('int_compute_intervals_counted') }}
    where us > 0
),
{%- endif %}

parts as (
    select
        account_id, dimensions, is_inferred,
        a // {{ hour_us }} as hour_number,
        least(b, (a // {{ hour_us }} + 1) * {{ hour_us }}) - a as us
    from stretches
    union all
    select
        account_id, dimensions, is_inferred,
        hour_number,
        least(b, (hour_number + 1) * {{ hour_us }}) - hour_number * {{ hour_us }} as us
    from (
        select *, unnest(range(a // {{ hour_us }} + 1, (b - 1) // {{ hour_us }} + 1)) as hour_number
        from stretches
        where b > (a // {{ hour_us }} + 1) * {{ hour_us }}
    ) as crossings
)

select
    account_id,
    dimensions,
    make_timestamptz(hour_number * {{ hour_us }}) as usage_hour,
    date '1970-01-01' + cast(hour_number // 24 as integer) as usage_date,
    cast(sum(us) as bigint) as us,
    cast(sum(case when is_inferred then us else 0 end) as bigint) as inferred_us
from parts
group by account_id, dimensions, hour_number
