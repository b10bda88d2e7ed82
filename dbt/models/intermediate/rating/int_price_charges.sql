{{ config(materialized='table') }}
-- Grain: one charge of a plan version of a price list: those of the price book, published or not, and those
-- of int_price_versions' converted versions, with the rate by which the amounts of events are multiplied.
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

charges as (
    select
        *,
        cast(null as decimal(38, 18)) as exchange_rate
    from {{ ref('stg_pricebook__charges') }}
),

converted as (
    select
        charges.* replace (
            versions.plan_version as plan_version,
            versions.exchange_rate as exchange_rate,
            {{ multiply_exactly('charges.fixed_amount', 'versions.exchange_rate') }} as fixed_amount,
            {{ multiply_exactly('charges.transaction_minimum', 'versions.exchange_rate') }} as transaction_minimum,
            {{ multiply_exactly('charges.transaction_maximum', 'versions.exchange_rate') }} as transaction_maximum
        )
    from versions
    inner join charges
        on versions.plan_id = charges.plan_id and versions.told_version = charges.plan_version
)

select * from charges
union all
select * from converted
