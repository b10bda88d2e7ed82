{{ config(meta={"dagster": {"ref": {"name": "fct_discrepancies"}}}) }}
-- The named causes and what is called unexplained must together be the difference between the
-- sides, in quantity (within the tolerance of float sums) and, to the minor unit, in value. If
-- this fails, a cause was counted twice or a difference was lost, and the explanations cannot be
-- trusted.
with

differences as (
    select
        account_id,
        meter_id,
        period_start,
        period_end,
        currency,
        sum(left_quantity) as left_quantity,
        sum(right_quantity) as right_quantity,
        sum(value_difference_minor) as value_difference_minor
    from {{ ref('int_reconciliation_legs_compared') }}
    group by account_id, meter_id, period_start, period_end, currency
),

causes as (
    select
        account_id,
        meter_id,
        period_start,
        period_end,
        currency,
        sum(quantity_delta) as quantity_delta,
        sum(amount_delta_minor) as amount_delta_minor
    from {{ ref('fct_discrepancies') }}
    where leg <> 'provider_warehouse'
    group by account_id, meter_id, period_start, period_end, currency
),

told as (
    select
        differences.*,
        reconciliation.unexplained_quantity + coalesce(causes.quantity_delta, 0) as told_quantity,
        reconciliation.unexplained_amount_minor + coalesce(causes.amount_delta_minor, 0)
            as told_amount_minor
    from differences
    left join {{ ref('fct_reconciliation') }} as reconciliation
        on differences.account_id = reconciliation.account_id
        and differences.meter_id = reconciliation.meter_id
        and differences.period_start = reconciliation.period_start
        and differences.period_end = reconciliation.period_end
        and differences.currency is not distinct from reconciliation.currency
    left join causes
        on differences.account_id = causes.account_id
        and differences.meter_id = causes.meter_id
        and differences.period_start = causes.period_start
        and differences.period_end = causes.period_end
        and differences.currency is not distinct from causes.currency
)

select *
from told
where
    told_quantity is null
    or not ({{ quantities_agree('left_quantity + told_quantity', 'right_quantity') }})
    or told_amount_minor <> value_difference_minor
