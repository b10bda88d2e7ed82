{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_reconciliation_accounts_touched'), ['account_id']) }}"
) }}
-- Grain: account, Stripe event name, billing period, leg: two sides that should be equal.
--   warehouse_pushed  what today's facts give of approved statements -> what the ledger brought to Stripe
--   pushed_meter      what Stripe should hold -> what its meter holds
--   meter_invoice     what its meter holds    -> what its invoices say
-- Values are in minor units, each the value of its quantity on the statement; the right one of
-- meter_invoice is what the invoice really says, both nothing where it is in another currency. A
-- difference within the tolerance is none, and is
-- carried on as the left side's quantity.
with

sides as (
    select *
    from {{ ref('int_reconciliation_sides_joined') }}
    where {{ is_reconciled_again('account_id') }}
),

held as (
    select
        *,
        coalesce(pushed_quantity, cast(0 as decimal(38, 12))) as ledger_quantity,
        coalesce(stripe_meter_quantity, cast(0 as decimal(38, 12))) as held_quantity,
        coalesce(stripe_invoice_quantity, cast(0 as decimal(38, 12))) as charged_quantity
    from sides
),

settled as (
    select
        *,
        case
            when {{ quantities_agree('held_quantity', 'baseline_quantity') }} then baseline_quantity
            else held_quantity
        end as meter_quantity
    from held
),

invoiced as (
    select
        *,
        case
            when {{ quantities_agree('charged_quantity', 'meter_quantity') }} then meter_quantity
            else charged_quantity
        end as invoice_quantity
    from settled
),

legs as (
    select
        account_id,
        stripe_event_name,
        meter_id,
        period_start,
        period_end,
        currency,
        'warehouse_pushed' as leg,
        approvable_quantity as left_quantity,
        ledger_quantity as right_quantity,
        {{ value_at('approvable_quantity') }} as left_value_minor,
        {{ value_at('ledger_quantity') }} as right_value_minor
    from invoiced
    where has_approval

    union all

    select
        account_id,
        stripe_event_name,
        meter_id,
        period_start,
        period_end,
        currency,
        'pushed_meter' as leg,
        baseline_quantity as left_quantity,
        meter_quantity as right_quantity,
        {{ value_at('baseline_quantity') }} as left_value_minor,
        {{ value_at('meter_quantity') }} as right_value_minor
    from invoiced
    where is_meter_compared

    union all

    select
        account_id,
        stripe_event_name,
        meter_id,
        period_start,
        period_end,
        currency,
        'meter_invoice' as leg,
        meter_quantity as left_quantity,
        invoice_quantity as right_quantity,
        case when is_one_currency then {{ value_at('meter_quantity') }} else 0 end as left_value_minor,
        case when is_one_currency then coalesce(stripe_invoice_amount_minor, 0) else 0 end as right_value_minor
    from invoiced
    where is_invoice_compared
)

select
    *,
    cast(right_quantity - left_quantity as decimal(38, 12)) as quantity_difference,
    cast(right_value_minor - left_value_minor as bigint) as value_difference_minor,
    {{ quantities_agree('left_quantity', 'right_quantity') }} is false as differs
from legs
