-- Grain: provider, account, billing account, sub-account, resource, service, SKU, category, charge period,
-- currency, consumed unit. Corrections and credits are rows of their own and add. Costs that belong to
-- no account are those of 'unattributed'; nothing here is billed to anybody.
with

attributed as (
    select
        costs.*,
        assignments.account_id
    from {{ ref('int_provider_costs') }} as costs
    inner join {{ ref('int_account_assignments') }} as assignments
        on costs.account_reference = assignments.account_reference
        and costs.charge_period_start >= assignments.valid_from
        and costs.charge_period_start < assignments.valid_to
),

-- A correction without a quantity has no unit either: it belongs to the row that it corrects.
placed as (
    select
        *,
        min(consumed_unit) over same_charge as unit_of_others
    from attributed
    window same_charge as (
        partition by
            provider, account_id, billing_account_id, sub_account_id, resource_id, service_name, sku_id,
            charge_category, charge_period_start, charge_period_end, currency
    )
),

measured as (
    select
        * exclude (consumed_unit, unit_of_others),
        case when consumed_quantity is null then coalesce(consumed_unit, unit_of_others) else consumed_unit end
            as consumed_unit
    from placed
)

select
    provider,
    account_id,
    billing_account_id,
    sub_account_id,
    resource_id,
    service_name,
    sku_id,
    charge_category,
    charge_period_start,
    charge_period_end,
    currency,
    cast(sum(billed_cost) as decimal(38, 18)) as billed_cost,
    -- A sum of some of the rows would look like the whole: where one row does not say it, none is given.
    cast(case when count(effective_cost) = count(*) then sum(effective_cost) end as decimal(38, 18))
        as effective_cost,
    cast(case when count(list_cost) = count(*) then sum(list_cost) end as decimal(38, 18)) as list_cost,
    cast(sum(consumed_quantity) as decimal(38, 18)) as consumed_quantity,
    consumed_unit,
    cast(coalesce(sum(billed_cost) filter (where charge_class = 'Correction'), 0) as decimal(38, 18))
        as correction_cost,
    count(*) as charges
from measured
group by
    provider, account_id, billing_account_id, sub_account_id, resource_id, service_name, sku_id, charge_category,
    charge_period_start, charge_period_end, currency, consumed_unit
