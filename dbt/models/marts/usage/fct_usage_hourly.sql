{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account, meter, dimensions, UTC hour. Of a meter whose hours do not add up (int_event_hours),
-- its aggregation of the hour alone.
-- depends_on: {{ ref('int_touched_account_days') }}
with

hours as (
    select * from {{ ref('int_compute_hours') }}
    {% if is_incremental() -%}
    semi join {{ ref('int_touched_account_days') }} using (account_id, usage_date)
    {%- endif %}
),

quantities as (
    select
        account_id,
        meter_id,
        dimensions,
        date_trunc('hour', used_at) as usage_hour,
        cast(used_at as date) as usage_date,
        cast(sum(quantity) as decimal(38, 16)) as quantity
    from {{ ref('int_amounts_measured') }} as amounts
    {% if is_incremental() -%}
    where exists (
        select 1
        from {{ ref('int_touched_account_days') }} as touched
        where touched.account_id = amounts.account_id and touched.usage_date = cast(amounts.used_at as date)
    )
    {%- endif %}
    group by all
)

select
    hours.account_id,
    meters.meter_id,
    hours.dimensions,
    hours.usage_hour,
    {{ compute_quantity('meters.measure', 'hours.us', 'sizes') }} as quantity,
    {{ compute_quantity('meters.measure', 'hours.inferred_us', 'sizes') }} as inferred_quantity,
    hours.usage_date
from hours
inner join {{ ref('int_compute_sizes') }} as sizes using (dimensions)
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and {{ measure_applies('meters.measure', 'sizes') }}

union all

select
    account_id,
    meter_id,
    dimensions,
    usage_hour,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity,
    usage_date
from quantities

union all

select
    account_id,
    meter_id,
    dimensions,
    used_from as usage_hour,
    quantity,
    cast(0 as decimal(38, 16)) as inferred_quantity,
    usage_date
from {{ ref('int_event_hours') }}
