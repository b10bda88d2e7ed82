-- Grain: charge and tier; the model `graduated`: each unit at the price of the tier it falls in.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'graduated'
),

tiers as (
    {{ tiers_graduated('charges') }}
)

select * from tiers
