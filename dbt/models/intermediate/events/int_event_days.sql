{{ config(materialized='table') }}
-- Grain: account, meter whose hours do not add up, dimensions, UTC day: the meter's aggregation of the
-- day alone. Only the days that this build makes again: fct_usage_daily keeps the
-- others.
{{ event_usage('day') }}
