{{ config(materialized='table') }}
-- Grain: one quantity that a provider's totals gave, as the last build left it. Built before
-- int_quantities changes; the comparison tells which account-days really change.
-- depends_on: {{ ref('int_provider_totals_placed') }}
{%- set built = load_relation_of('intermediate', 'int_quantities') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as account_id,
    cast(null as varchar) as meter_id,
    cast(null as timestamptz) as used_at,
    cast(null as decimal(38, 16)) as quantity
where false
{% else %}
select account_id, meter_id, used_at, quantity
from {{ built }}
where provider is not null
{% endif %}
