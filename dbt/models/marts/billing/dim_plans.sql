{{ config(materialized='view') }}
-- Grain: plan version; key (plan_id, plan_version). Source of truth: the price book's versions that
-- had been published by the as-of time. Prices are in dim_prices.
select
    plan_id,
    plan_version,
    plan_name,
    valid_from,
    valid_to,
    published_at,
    currency,
    billing_interval,
    base_amount,
    annual_discount_percent,
    minimum_amount,
    maximum_amount,
    included_amount,
    threshold_amount,
    default_spending_cap,
    max_concurrent_sandboxes,
    cast(json_extract(limits, '$.allowed_memory_mib') as varchar) as allowed_memory_mib,
    cast(json_extract(limits, '$.seats') as integer) as seats,
    cast(json_extract(limits, '$.requests_per_minute') as integer) as requests_per_minute,
    alerts_percent
from {{ ref('stg_pricebook__versions') }}
