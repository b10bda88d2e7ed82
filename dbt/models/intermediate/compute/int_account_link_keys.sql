{{ config(materialized='table') }}
-- Grain: one provider whose metadata is linked to accounts, with the keys that links name, in order.
select
    provider,
    list(distinct metadata_key order by metadata_key) as metadata_keys
from {{ ref('stg_accounts__links') }}
where metadata_key is not null
group by provider
