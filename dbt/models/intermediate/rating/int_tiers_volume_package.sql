-- Grain: charge and tier; the model `volume_package`: started packages of the tier that all units of the
-- period reach.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'volume_package'
),

tiers as (
    {{ tiers_volume_package('charges') }}
)

select * from tiers
