{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account, dimensions, UTC day: the sum of its hours (int_compute_hours), in the same units.
-- depends_on: {{ ref('int_touched_account_days') }}
select
    account_id,
    dimensions,
    usage_date,
    cast(sum(us) as bigint) as us,
    cast(sum(inferred_us) as bigint) as inferred_us
from {{ ref('int_compute_hours') }}
{% if is_incremental() -%}
semi join {{ ref('int_touched_account_days') }} using (account_id, usage_date)
{%- endif %}
group by account_id, dimensions, usage_date
