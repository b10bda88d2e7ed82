-- Grain: charge and tier; the model `volume`: every unit of the period at the price of the tier that
-- their number reaches.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'volume'
),

tiers as (
    {{ tiers_volume('charges') }}
)

select * from tiers
