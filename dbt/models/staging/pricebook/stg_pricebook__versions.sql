-- Grain: one plan version that had been published by the as-of time; it is in force from valid_from
-- until the next published version of its plan in its currency. A plan's currency is that of its first
-- version (which its name says too: DECISIONS D58); its versions in another are a price list beside it.
with

published as (
    select
        plan_id,
        plan_name,
        plan_version,
        valid_from,
        published_at,
        lower(currency) as currency,
        interval as billing_interval,
        cast(coalesce(base_amount, 0) as decimal(38, 18)) as base_amount,
        cast(coalesce(annual_discount_percent, 0) as decimal(38, 18)) as annual_discount_percent,
        cast(minimum_amount as decimal(38, 18)) as minimum_amount,
        cast(maximum_amount as decimal(38, 18)) as maximum_amount,
        cast(included_amount as decimal(38, 18)) as included_amount,
        cast(threshold_amount as decimal(38, 18)) as threshold_amount,
        max_concurrent_sandboxes,
        limits,
        alerts_percent,
        cast(default_spending_cap as decimal(38, 18)) as default_spending_cap,
        cast(json_extract(limits, '$.allowed_memory_mib') as bigint[]) as allowed_memory_mib
    from {{ source('pricebook', 'pricebook_versions') }}
    where {{ from_current_loads() }} and published_at <= {{ as_of() }}
),

priced as (
    select
        *,
        lead(valid_from) over (partition by plan_id, currency order by valid_from) as valid_to,
        first_value(currency) over (partition by plan_id order by plan_version) as plan_currency
    from published
)

select
    *,
    case when currency = plan_currency then '' else currency end as price_list
from priced
