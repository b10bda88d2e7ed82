{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account, meter whose hours do not add up, dimensions, UTC day: the meter's aggregation of the
-- day alone.
-- depends_on: {{ ref('int_touched_account_days') }}
{{ event_usage('day') }}
