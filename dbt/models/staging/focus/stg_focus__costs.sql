-- Grain: one charge of a FOCUS file that stands in the landing zone now. Rows have no id, so a file is
-- the unit: new content under the same path replaces the old, two paths both count (DECISIONS D40).
with

costs as (
    select
        told.*,
        -- focus/<provider>/...; a folder that is a date or a partition (key=value) names nobody.
        regexp_extract(loads.file, '^focus/([A-Za-z][^/=]*)/', 1) as folder
    from {{ source('focus', 'focus_costs') }} as told
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where loads.is_current and told.known_at <= {{ as_of() }}
)

select
    load_seq,
    record_number,
    coalesce(nullif(folder, ''), provider_name, 'unknown') as provider,
    billing_account_id,
    sub_account_id,
    resource_id,
    service_name,
    sku_id,
    charge_category,
    charge_class,
    charge_period_start,
    charge_period_end,
    lower(billing_currency) as currency,
    billed_cost,
    effective_cost,
    list_cost,
    case when charge_category = 'Usage' then consumed_quantity end as consumed_quantity,
    case when charge_category = 'Usage' then consumed_unit end as consumed_unit,
    tags
from costs
