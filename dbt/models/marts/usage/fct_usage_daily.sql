{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account, meter, dimensions, UTC day: the sum of its hours, never split again. Of a meter whose
-- hours do not add up, its aggregation of the day alone.
-- depends_on: {{ ref('int_touched_account_days') }}
select
    account_id,
    meter_id,
    dimensions,
    usage_date,
    cast(sum(quantity) as decimal(38, 16)) as quantity,
    cast(sum(inferred_quantity) as decimal(38, 16)) as inferred_quantity
from {{ ref('fct_usage_hourly') }}
{% if is_incremental() -%}
semi join {{ ref('int_touched_account_days') }} using (account_id, usage_date)
{%- endif %}
where meter_id not in (select meters.meter_id from {{ ref('int_event_meters') }} as meters where not meters.is_additive)
group by account_id, meter_id, dimensions, usage_date

union all

select
    account_id,
    meter_id,
    dimensions,
    usage_date,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity
from {{ ref('int_event_days') }}
