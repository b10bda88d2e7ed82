{{ config(materialized='view') }}
-- Grain: tier of a usage line; key (charge_id, tier_index). Tier 0 is what the included quantity
-- covered. Amounts are exact and sum to the line's exact amount. Approved lines keep the ledger's
-- tiers.
with

approved as (
    select charge_id, tier_index, quantity, unit_amount, flat_amount, amount
    from {{ ref('stg_ledger__tiers') }}
),

rated as (
    select
        tiers.charge_id,
        tiers.tier_index,
        tiers.quantity,
        tiers.unit_amount,
        tiers.flat_amount,
        tiers.amount
    from {{ ref('int_charge_tiers') }} as tiers
    inner join {{ ref('int_lines_rated') }} as lines using (charge_id)
    anti join {{ ref('stg_ledger__approvals') }} as approvals
        on lines.statement_id = approvals.statement_id
)

select * from approved
union all
select * from rated
