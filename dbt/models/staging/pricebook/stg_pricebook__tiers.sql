-- Grain: one tier of a charge; a standard price is a single tier without an upper bound.
select
    plan_id,
    plan_version,
    charge_key,
    tier_index,
    cast(from_quantity as decimal(38, 12)) as from_quantity,
    cast(up_to as decimal(38, 12)) as up_to,
    cast(coalesce(unit_amount, 0) as decimal(38, 18)) as unit_amount,
    cast(coalesce(flat_amount, 0) as decimal(38, 18)) as flat_amount,
    cast(package_size as decimal(38, 12)) as package_size,
    cast(package_amount as decimal(38, 18)) as package_amount,
    package_rounding
from {{ source('pricebook', 'pricebook_tiers') }}
where {{ from_current_loads() }}
