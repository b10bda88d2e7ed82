-- Grain: charge and tier; the model `graduated_percentage`: each unit at the rate of the tier it falls
-- in.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'graduated_percentage'
),

tiers as (
    {{ tiers_graduated('charges') }}
)

select * from tiers
