{#-
    The tiers of charges whose units are sold in packages, counted in each tier. `charges`: see
    tiers_graduated. One row for each charge and tier that holds a unit.
-#}
{% macro tiers_package(charges) -%}
{%- set shares -%}
(
    select
        charges.charge_id,
        charges.account_id,
        tiers.tier_index,
        tiers.package_size,
        tiers.package_amount,
        tiers.package_rounding,
        {{ units_in_tier('charges.billable_before') }} as units_before,
        {{ units_in_tier('charges.billable_before + charges.billable_quantity') }} as units
    from {{ charges }} as charges
    inner join {{ ref('int_price_tiers') }} as tiers using (plan_id, plan_version, charge_key)
) as shares
{%- endset -%}
{{ packages_of_tier(shares) }}
{%- endmacro %}
