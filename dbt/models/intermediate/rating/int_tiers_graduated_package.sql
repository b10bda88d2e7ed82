-- Grain: charge and tier; the model `graduated_package`: started packages counted in each tier, at its
-- size and amount.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'graduated_package'
),

tiers as (
    {{ tiers_package('charges') }}
)

select * from tiers
