{{ config(materialized='ephemeral') }}
-- Grain: charge; the model `dynamic`: its one tier costs what its events say.
with

charges as (
    select charges.*
    from {{ ref('int_charge_quantities') }} as charges
    {{ semi_join_touched_accounts() }}
    where charges.model = 'dynamic'
),

summed as (
    select
        charge_id,
        cast(sum(flat_amount) as decimal(38, 18)) as flat_amount
    from {{ ref('int_charge_events') }}
    {{ semi_join_touched_accounts() }}
    group by charge_id
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
