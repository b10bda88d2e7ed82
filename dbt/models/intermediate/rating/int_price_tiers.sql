{{ config(materialized='table') }}
-- Grain: one tier of a charge of int_price_charges, with the amounts of its price list.
with

versions as (
    select
        plan_id,
        plan_version,
        told_version,
        exchange_rate
    from {{ ref('int_price_versions') }}
    where exchange_rate is not null
),

tiers as (
    select * from {{ ref('stg_pricebook__tiers') }}
),

converted as (
    select
        tiers.* replace (
            versions.plan_version as plan_version,
            {{ multiply_exactly('tiers.unit_amount', 'versions.exchange_rate') }} as unit_amount,
            {{ multiply_exactly('tiers.flat_amount', 'versions.exchange_rate') }} as flat_amount,
            {{ multiply_exactly('tiers.package_amount', 'versions.exchange_rate') }} as package_amount
        )
    from versions
    inner join tiers
        on versions.plan_id = tiers.plan_id and versions.told_version = tiers.plan_version
)

select * from tiers
union all
select * from converted
