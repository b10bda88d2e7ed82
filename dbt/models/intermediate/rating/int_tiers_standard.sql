-- Grain: charge and tier; the model `standard`: every unit at one price.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'standard'
),

tiers as (
    {{ tiers_standard('charges') }}
)

select * from tiers
