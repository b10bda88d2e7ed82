{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_reconciliation_accounts_touched'), ['account_id']) }}"
) }}
-- Grain: account, meter, billing period, currency of its statements: every measure of the same usage
-- side by side. Source of
-- truth: today's rating (warehouse), the ledger (approved, pushed), the Stripe exports, the providers'
-- own totals. Null means that a side says nothing about the period (not approved, not exported), zero
-- that it says none. Unexplained is what the causes in fct_discrepancies leave of the differences on
-- all legs between warehouse and Stripe. One currency a row: amounts of different ones never add. Where
-- Stripe has the usage of several under one event name, its row has no currency and no amounts.
with

legs as (
    select *
    from {{ ref('int_reconciliation_legs_compared') }}
    where {{ is_reconciled_again('account_id') }}
),

causes as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        leg,
        sum(quantity_delta) as quantity_delta,
        sum(amount_delta_minor) as amount_delta_minor
    from {{ ref('int_reconciliation_causes_chosen') }}
    where {{ is_reconciled_again('account_id') }}
    group by account_id, stripe_event_name, period_start, period_end, leg
),

told as (
    select
        legs.*,
        cast(coalesce(causes.quantity_delta, 0) as decimal(38, 12)) as told_quantity,
        cast(coalesce(causes.amount_delta_minor, 0) as bigint) as told_amount_minor
    from legs
    left join causes
        on legs.account_id = causes.account_id
        and legs.stripe_event_name = causes.stripe_event_name
        and legs.period_start = causes.period_start
        and legs.period_end = causes.period_end
        and legs.leg = causes.leg
),

left_over as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        cast(
            case
                when {{ quantities_agree('left_quantity + told_quantity', 'right_quantity') }}
                    then 0
                else quantity_difference - told_quantity
            end as decimal(38, 12)
        ) as unexplained_quantity,
        value_difference_minor - told_amount_minor as unexplained_amount_minor
    from told
),

unexplained as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        cast(sum(unexplained_quantity) as decimal(38, 12)) as unexplained_quantity,
        cast(sum(unexplained_amount_minor) as bigint) as unexplained_amount_minor
    from left_over
    group by account_id, stripe_event_name, period_start, period_end
),

sent as (
    select
        sides.account_id,
        sides.meter_id,
        sides.period_start,
        sides.period_end,
        cast(null as decimal(38, 16)) as provider_quantity,
        sides.warehouse_quantity,
        case
            when sides.has_approval
                then coalesce(sides.approved_quantity, cast(0 as decimal(38, 12)))
        end as approved_quantity,
        case
            when sides.has_approval
                then coalesce(sides.pushed_quantity, cast(0 as decimal(38, 12)))
        end as pushed_quantity,
        case
            when sides.is_meter_compared
                then coalesce(sides.stripe_meter_quantity, cast(0 as decimal(38, 12)))
            else sides.stripe_meter_quantity
        end as stripe_meter_quantity,
        case
            when sides.is_invoice_compared
                then coalesce(sides.stripe_invoice_quantity, cast(0 as decimal(38, 12)))
            else sides.stripe_invoice_quantity
        end as stripe_invoice_quantity,
        sides.warehouse_amount_minor,
        case
            when not sides.is_one_currency then null
            when sides.is_invoice_compared then coalesce(sides.stripe_invoice_amount_minor, 0)
            else sides.stripe_invoice_amount_minor
        end as stripe_invoice_amount_minor,
        coalesce(unexplained.unexplained_quantity, cast(0 as decimal(38, 12)))
            as unexplained_quantity,
        coalesce(unexplained.unexplained_amount_minor, 0) as unexplained_amount_minor,
        sides.currency
    from {{ ref('int_reconciliation_sides_joined') }} as sides
    left join unexplained
        on sides.account_id = unexplained.account_id
        and sides.stripe_event_name = unexplained.stripe_event_name
        and sides.period_start = unexplained.period_start
        and sides.period_end = unexplained.period_end
    where {{ is_reconciled_again('sides.account_id') }}
),

-- A charge without a Stripe meter, or an account that nothing is compared with, has nothing but its own approval.
not_compared as (
    select
        lines.account_id,
        coalesce(names.meter_id, lines.meter_id) as meter_id,
        lines.period_start,
        lines.period_end,
        cast(null as decimal(38, 16)) as provider_quantity,
        lines.warehouse_quantity,
        lines.approved_quantity,
        cast(null as decimal(38, 12)) as pushed_quantity,
        cast(null as decimal(38, 12)) as stripe_meter_quantity,
        cast(null as decimal(38, 12)) as stripe_invoice_quantity,
        lines.warehouse_amount_minor,
        cast(null as bigint) as stripe_invoice_amount_minor,
        cast(0 as decimal(38, 12)) as unexplained_quantity,
        cast(0 as bigint) as unexplained_amount_minor,
        lines.currency
    from {{ ref('int_statement_lines_counted') }} as lines
    left join {{ ref('int_stripe_event_names_mapped') }} as names
        on lines.stripe_event_name = names.stripe_event_name
    anti join {{ ref('int_reconciliation_sides_joined') }} as sides
        on lines.account_id = sides.account_id and lines.stripe_event_name = sides.stripe_event_name
),

metered as (
    select * from sent
    union all
    select * from not_compared
),

currencies as (
    select account_id, meter_id, period_start, period_end, min(currency) as currency
    from metered
    group by account_id, meter_id, period_start, period_end
),

-- A total of a meter that the plan does not charge has a row too: the warehouse rates none of it.
told_by_provider as (
    select
        told.account_id,
        told.meter_id,
        told.period_start,
        told.period_end,
        told.provider_quantity,
        cast(0 as decimal(38, 12)) as warehouse_quantity,
        cast(null as decimal(38, 12)) as approved_quantity,
        cast(null as decimal(38, 12)) as pushed_quantity,
        cast(null as decimal(38, 12)) as stripe_meter_quantity,
        cast(null as decimal(38, 12)) as stripe_invoice_quantity,
        cast(0 as bigint) as warehouse_amount_minor,
        cast(null as bigint) as stripe_invoice_amount_minor,
        cast(0 as decimal(38, 12)) as unexplained_quantity,
        cast(0 as bigint) as unexplained_amount_minor,
        currencies.currency
    from {{ ref('int_provider_totals_compared') }} as told
    left join currencies using (account_id, meter_id, period_start, period_end)
    where told.provider_quantity is not null and {{ is_reconciled_again('told.account_id') }}
),

rows_by_event as (
    select * from metered
    union all
    select * from told_by_provider
)

select
    account_id,
    meter_id,
    period_start,
    period_end,
    cast(sum(provider_quantity) as decimal(38, 12)) as provider_quantity,
    cast(sum(warehouse_quantity) as decimal(38, 12)) as warehouse_quantity,
    cast(sum(approved_quantity) as decimal(38, 12)) as approved_quantity,
    cast(sum(pushed_quantity) as decimal(38, 12)) as pushed_quantity,
    cast(sum(stripe_meter_quantity) as decimal(38, 12)) as stripe_meter_quantity,
    cast(sum(stripe_invoice_quantity) as decimal(38, 12)) as stripe_invoice_quantity,
    cast(sum(warehouse_amount_minor) as bigint) as warehouse_amount_minor,
    cast(sum(stripe_invoice_amount_minor) as bigint) as stripe_invoice_amount_minor,
    cast(sum(unexplained_quantity) as decimal(38, 12)) as unexplained_quantity,
    cast(sum(unexplained_amount_minor) as bigint) as unexplained_amount_minor,
    currency
from rows_by_event
group by account_id, meter_id, period_start, period_end, currency
