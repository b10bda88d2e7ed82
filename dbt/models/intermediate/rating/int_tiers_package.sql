-- Grain: charge and tier; the model `package`: after the free units, packages of a size, started ones
-- whole (or full ones only). Free units are the first tier.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'package'
),

tiers as (
    {{ tiers_package('charges') }}
)

select * from tiers
