{#-
    Rows of tiers with the columns units, units_before, package_size, package_amount and package_rounding
    as tiers of a charge: the packages go into flat_amount. A tier without a size is free.
-#}
{% macro packages_of_tier(relation) -%}
select
    charge_id,
    account_id,
    tier_index,
    cast(units - units_before as decimal(38, 12)) as quantity,
    cast(0 as decimal(38, 18)) as unit_amount,
    {{ multiply_exactly('packages', 'coalesce(package_amount, cast(0 as decimal(38, 18)))') }} as flat_amount
from (
    select
        *,
        cast(coalesce(
            {{ count_packages('units', 'package_size', 'package_rounding') }}
            - {{ count_packages('units_before', 'package_size', 'package_rounding') }},
            0
        ) as decimal(38, 0)) as packages
    from {{ relation }}
) as counted
where units <> units_before
{%- endmacro %}
