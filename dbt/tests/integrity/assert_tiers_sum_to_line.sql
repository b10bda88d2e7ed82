{{ config(meta={"dagster": {"ref": {"name": "fct_charge_tiers"}}}) }}
-- A usage line whose tiers do not come to its exact amount cannot be explained to the customer.
with

tiers as (
    select charge_id, sum(amount) as amount
    from {{ ref('fct_charge_tiers') }}
    group by charge_id
)

select lines.charge_id
from {{ ref('fct_charges') }} as lines
left join tiers using (charge_id)
where lines.charge_class = 'usage' and tiers.amount is distinct from lines.amount
