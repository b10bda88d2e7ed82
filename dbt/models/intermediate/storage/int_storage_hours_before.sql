{{ config(materialized='table') }}
-- Grain: account, UTC hour, as the last build left it. Built before int_storage_hours is made again;
-- the comparison tells which account-days really change.
{%- set built = load_relation_of('intermediate', 'int_storage_hours') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as account_id,
    cast(null as timestamptz) as usage_hour,
    cast(null as date) as usage_date,
    cast(null as hugeint) as byte_us,
    cast(null as hugeint) as inferred_byte_us
where false
{% else %}
select account_id, usage_hour, usage_date, byte_us, inferred_byte_us
from {{ built }}
{% endif %}
