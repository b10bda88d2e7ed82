{{ config(materialized='table') }}
-- Grain: account, meter whose hours do not add up, dimensions, UTC hour: the meter's aggregation of the
-- hour alone. Only the hours that this build makes again.
{{ event_usage('hour') }}
