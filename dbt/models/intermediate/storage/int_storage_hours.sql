{{ config(materialized='table') }}
-- Grain: account, UTC hour with anything stored. byte_us: byte-microseconds, exact;
-- inferred_byte_us: those not between two observations.
-- depends_on: {{ ref('int_storage_hours_before') }}
{%- set hour_us = 3600000000 %}
with

stretches as (
    select
        account_id,
        bytes,
        evidence <> 'observed' as is_inferred,
        epoch_us(started_at) as a,
        epoch_us(ended_at) as b
    from {{ ref('int_storage_intervals') }}
    where bytes > 0 and ended_at > started_at
),

parts as (
    select
        account_id, bytes, is_inferred,
        a // {{ hour_us }} as hour_number,
        least(b, (a // {{ hour_us }} + 1) * {{ hour_us }}) - a as us
    from stretches
    union all
    select
        account_id, bytes, is_inferred,
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
    make_timestamptz(hour_number * {{ hour_us }}) as usage_hour,
    cast(make_timestamptz(hour_number * {{ hour_us }}) as date) as usage_date,
    sum(cast(bytes as hugeint) * us) as byte_us,
    coalesce(sum(cast(bytes as hugeint) * us) filter (where is_inferred), 0) as inferred_byte_us
from parts
group by account_id, hour_number
