{{ config(materialized='table') }}
-- Grain: one plan version of a price list: those of the price book, and for each rate that a statement
-- needs the plan's own once more, every amount multiplied by it. Whatever rates joins versions by
-- (plan_id, plan_version), so that a converted version is one like any other.
with

-- The rates that some statement needs, few if any (DECISIONS D59).
conversions as (
    select distinct plan_id, price_list, currency, exchange_rate
    from {{ ref('int_statement_price_lists') }}
    where exchange_rate is not null
),

versions as (
    select
        *,
        plan_version as told_version,
        cast(null as decimal(38, 18)) as exchange_rate
    from {{ ref('stg_pricebook__versions') }}
),

converted as (
    select
        versions.* replace (
            versions.plan_version || '@' || conversions.price_list as plan_version,
            conversions.currency as currency,
            conversions.price_list as price_list,
            conversions.exchange_rate as exchange_rate,
            {{ multiply_exactly('versions.base_amount', 'conversions.exchange_rate') }} as base_amount,
            {{ multiply_exactly('versions.minimum_amount', 'conversions.exchange_rate') }} as minimum_amount,
            {{ multiply_exactly('versions.maximum_amount', 'conversions.exchange_rate') }} as maximum_amount,
            {{ multiply_exactly('versions.included_amount', 'conversions.exchange_rate') }} as included_amount,
            {{ multiply_exactly('versions.threshold_amount', 'conversions.exchange_rate') }} as threshold_amount,
            {{ multiply_exactly('versions.default_spending_cap', 'conversions.exchange_rate') }}
                as default_spending_cap
        )
    from conversions
    inner join versions on conversions.plan_id = versions.plan_id and versions.price_list = ''
)

select * from versions
union all
select * from converted
