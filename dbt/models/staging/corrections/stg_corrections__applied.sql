{{ config(materialized='table') }}
-- Grain: one usage record that a person corrected: the correction that this build applies. Stored, because
-- the next build compares with it.
-- depends_on: {{ ref('stg_corrections__changed') }}
select * from {{ ref('stg_corrections__corrections') }}
