{{ config(materialized='table') }}
-- Grain: one interval that counted, as the last build left it, of the sandboxes that this build makes again.
-- Built before int_compute_intervals, and with it what counts, changes; the comparison tells which
-- account-days really change.
-- depends_on: {{ ref('int_compute_runs') }}
{%- set built = load_relation_of('intermediate', 'int_compute_intervals_counted') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as account_id,
    cast(null as varchar) as dimensions,
    cast(null as timestamptz) as started_at,
    cast(null as timestamptz) as ended_at,
    cast(null as varchar) as evidence
where false
-- depends_on: {{ ref('stg_compute__touched_sandboxes') }}
{% else %}
select
    intervals.account_id,
    intervals.dimensions,
    intervals.started_at,
    intervals.ended_at,
    intervals.evidence
from {{ built }} as intervals
semi join {{ ref('stg_compute__touched_sandboxes') }} as touched using (provider, source_account, sandbox_id)
where intervals.us > 0
{% endif %}
