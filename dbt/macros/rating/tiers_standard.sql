{#- The tiers of charges at one price a unit. `charges`: see tiers_graduated. -#}
{% macro tiers_standard(charges) -%}
select
    charges.charge_id,
    charges.account_id,
    tiers.tier_index,
    charges.billable_quantity as quantity,
    tiers.unit_amount,
    cast(0 as decimal(38, 18)) as flat_amount
from {{ charges }} as charges
inner join {{ ref('int_price_tiers') }} as tiers using (plan_id, plan_version, charge_key)
where charges.billable_quantity <> 0
{%- endmacro %}
