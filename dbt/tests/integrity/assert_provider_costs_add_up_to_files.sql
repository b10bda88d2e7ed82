{{ config(meta={"dagster": {"ref": {"name": "fct_provider_costs"}}}) }}
-- Every charge of every current file is in the mart once: rows and billed cost by provider and currency.
with

told as (
    select provider, currency, count(*) as charges, sum(billed_cost) as billed_cost
    from {{ ref('stg_focus__costs') }}
    group by provider, currency
),

published as (
    select provider, currency, sum(charges) as charges, sum(billed_cost) as billed_cost
    from {{ ref('fct_provider_costs') }}
    group by provider, currency
)

select *
from told
full join published using (provider, currency)
where
    told.charges is distinct from published.charges
    or told.billed_cost is distinct from published.billed_cost
