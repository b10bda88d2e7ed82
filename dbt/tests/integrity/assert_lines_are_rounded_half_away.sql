{{ config(meta={"dagster": {"ref": {"name": "fct_charges"}}}) }}
-- Every line rounds by itself, half away from zero, to its currency's minor unit. Corrections are
-- differences of rounded amounts and so are not rounded again.
select charge_id
from {{ ref('fct_charges') }}
where charge_class <> 'correction' and amount_minor <> {{ to_minor('amount', 'currency') }}
