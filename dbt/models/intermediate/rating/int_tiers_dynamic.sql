-- Grain: charge; the model `dynamic`: its one tier costs what its events say.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'dynamic'
),

events as (
    select *
    from {{ ref('int_charge_events') }}
    {{ semi_join_touched_accounts() }}
),

summed as (
    select
        charges.charge_id,
        cast(sum(events.flat_amount) as decimal(38, 18)) as flat_amount
    from charges
    inner join events
        on coalesce(charges.period_charge_id, charges.charge_id) = events.charge_id
        and (charges.rated_until is null or charges.rated_until > events.used_at)
    group by charges.charge_id
),

tiers as (
    select
        charges.charge_id,
        charges.account_id,
        1 as tier_index,
        charges.billable_quantity as quantity,
        cast(0 as decimal(38, 18)) as unit_amount,
        coalesce(summed.flat_amount, cast(0 as decimal(38, 18))) as flat_amount
    from charges
    left join summed using (charge_id)
)

select * from tiers
where quantity <> 0 or flat_amount <> 0
