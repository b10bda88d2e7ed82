-- Grain: charge and tier; the model `percentage`: a rate on what is above the free units. Where the charge
-- looks at each event, the tier with the rate takes what its events come to beside the rate (fixed amounts
-- and limits) as its flat amount, and all other units cost nothing; else both are tiers of the period.
with

charges as (
    select
        charges.*,
        described.is_rated_by_event
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('int_price_charges') }} as described using (plan_id, plan_version, charge_key)
    where charges.model = 'percentage'
),

charges_of_the_period as (
    select * from charges where not is_rated_by_event
),

events as (
    select *
    from {{ ref('int_charge_events') }}
    {{ semi_join_touched_accounts() }}
),

summed as (
    select
        charges.charge_id,
        cast(sum(events.charged_quantity) as decimal(38, 12)) as quantity,
        cast(sum(events.flat_amount) as decimal(38, 18)) as flat_amount
    from charges
    inner join events
        on coalesce(charges.period_charge_id, charges.charge_id) = events.charge_id
        and (charges.rated_until is null or charges.rated_until > events.used_at)
    where charges.is_rated_by_event
    group by charges.charge_id
),

charges_by_event as (
    select
        charges.charge_id,
        charges.account_id,
        charges.billable_quantity,
        tiers.tier_index,
        tiers.unit_amount,
        summed.quantity,
        summed.flat_amount
    from charges
    inner join {{ ref('int_price_tiers') }} as tiers using (plan_id, plan_version, charge_key)
    inner join summed using (charge_id)
    where charges.is_rated_by_event and tiers.up_to is null
),

tiers as (
    {{ tiers_graduated('charges_of_the_period') }}
    union all
    select
        charge_id,
        account_id,
        tier_index,
        quantity,
        unit_amount,
        flat_amount
    from charges_by_event
    where quantity <> 0 or flat_amount <> 0
    union all
    select
        charge_id,
        account_id,
        case tier_index when 1 then 2 else 1 end as tier_index,
        cast(billable_quantity - quantity as decimal(38, 12)) as quantity,
        cast(0 as decimal(38, 18)) as unit_amount,
        cast(0 as decimal(38, 18)) as flat_amount
    from charges_by_event
    where billable_quantity <> quantity
)

select * from tiers
