{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_reconciliation_accounts_touched'), ['account_id']) }}"
) }}
-- Grain: account, Stripe event name, billing period: every side of the comparison in one row. With
-- Stripe is compared what Stripe can be expected to know: a period is compared when Stripe's
-- summaries begin before its end and reach it (an open month is not a difference), and its
-- invoices when an invoice was made at its end or later. Where nothing was exported, Stripe's
-- columns are null.
with

lines as (
    select
        account_id,
        stripe_event_name,
        period_start,
        period_end,
        min(meter_id) as meter_id,
        cast(sum(warehouse_quantity) as decimal(38, 12)) as warehouse_quantity,
        cast(sum(approvable_quantity) as decimal(38, 12)) as approvable_quantity,
        cast(sum(billed_quantity) as decimal(38, 12)) as billed_quantity,
        cast(sum(billed_line_count) as bigint) as billed_line_count,
        list_sort(list(distinct currency)) as currencies,
        -- Amounts of different currencies never add: then quantities are compared alone.
        cast(case when count(distinct currency) = 1 then sum(warehouse_amount_minor) end as bigint)
            as warehouse_amount_minor,
        cast(
            case when count(distinct currency) = 1 then sum(billed_amount_exact_minor) end as decimal(38, 18)
        ) as billed_amount_exact_minor,
        cast(case when count(distinct currency) = 1 then sum(billed_amount_minor) end as bigint)
            as billed_amount_minor
    from {{ ref('int_statement_lines_totalled') }}
    where stripe_event_name <> ''
    group by account_id, stripe_event_name, period_start, period_end
),

ledger as (
    select * from {{ ref('int_ledger_totalled') }}
),

stripe_meter as (
    select * from {{ ref('int_stripe_meters_totalled') }}
),

stripe_invoice as (
    select * from {{ ref('int_stripe_invoices_totalled') }}
),

approvals as (
    select * from {{ ref('stg_ledger__approvals') }}
),

approved_periods as (
    select distinct
        approvals.account_id,
        coalesce(parts.billing_period_start, approvals.period_start) as period_start,
        coalesce(parts.billing_period_end, approvals.period_end) as period_end
    from approvals
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
),

-- The months in which the ledger, not something else, brought usage to Stripe.
pushed_months as (
    select distinct approvals.period
    from {{ ref('stg_ledger__answers') }} as answers
    inner join {{ ref('stg_ledger__intents') }} as intents on answers.intent_id = intents.intent_id
    inner join approvals on intents.approval_id = approvals.approval_id
    where answers.state in ('accepted', 'duplicate')
),

summary_reach as (
    select
        min(window_start) as first_at,
        max(window_end) as last_at
    from {{ ref('stg_stripe__meter_event_summaries') }}
),

invoice_reach as (
    select max(greatest(created_at, finalized_at)) as last_at
    from {{ ref('stg_stripe__invoices') }}
),

customers as (
    select * from {{ ref('stg_stripe__customers') }}
),

customer_reach as (
    select count(*) > 0 as is_exported
    from customers
),

accounts as (
    select * from {{ ref('stg_accounts__accounts') }}
),

keys as (
    select account_id, stripe_event_name, period_start, period_end from ledger
    union
    select account_id, stripe_event_name, period_start, period_end from stripe_meter
    union
    select account_id, stripe_event_name, period_start, period_end from stripe_invoice
    union
    select account_id, stripe_event_name, period_start, period_end from lines
),

joined as (
    select
        keys.account_id,
        keys.stripe_event_name,
        coalesce(names.meter_id, lines.meter_id, keys.stripe_event_name) as meter_id,
        keys.period_start,
        keys.period_end,
        names.source as meter_source,
        names.measure,
        accounts.stripe_customer_id,
        coalesce(
            periods.period,
            strftime(keys.period_start at time zone coalesce(accounts.timezone, 'UTC'), '%Y-%m')
        ) as period,
        coalesce(lines.warehouse_quantity, cast(0 as decimal(38, 12))) as warehouse_quantity,
        coalesce(lines.approvable_quantity, cast(0 as decimal(38, 12))) as approvable_quantity,
        case when lines.account_id is null then 0 else lines.warehouse_amount_minor end as warehouse_amount_minor,
        coalesce(lines.billed_quantity, cast(0 as decimal(38, 12))) as billed_quantity,
        coalesce(lines.billed_amount_exact_minor, cast(0 as decimal(38, 18)))
            as billed_amount_exact_minor,
        coalesce(lines.billed_amount_minor, 0) as billed_amount_minor,
        coalesce(lines.billed_line_count, 0) as billed_line_count,
        ledger.approved_quantity,
        ledger.approved_correction_quantity,
        ledger.pushed_quantity,
        ledger.rejected_quantity,
        ledger.identifiers,
        ledger.rejections,
        approved_periods.account_id is not null as has_approval,
        -- Without one currency a unit has no one value.
        case
            when len(lines.currencies) > 1 then cast(0 as decimal(38, 18))
            else coalesce(prices.unit_amount_minor, cast(0 as decimal(38, 18)))
        end as unit_amount_minor,
        lines.currencies as statement_currencies,
        list_sort(list_distinct(list_concat(
            coalesce(lines.currencies, []), coalesce(stripe_invoice.currencies, [])
        ))) as currencies,
        prices.unit_amounts_minor as unit_amounts_in_force,
        stripe_meter.stripe_meter_quantity,
        stripe_meter.customer_ids as meter_customer_ids,
        stripe_meter.stripe_meter_ids,
        coalesce(stripe_meter.is_comparable, true) as is_meter_comparable,
        stripe_invoice.stripe_invoice_quantity,
        stripe_invoice.stripe_invoice_amount_minor,
        stripe_invoice.line_count as invoice_line_count,
        stripe_invoice.truncated_line_count,
        stripe_invoice.is_finalized as is_invoice_finalized,
        stripe_invoice.invoice_ids,
        stripe_invoice.line_ids,
        stripe_invoice.price_ids,
        stripe_invoice.unit_amounts_minor as invoice_unit_amounts_minor,
        coalesce(accounts.stripe_customer_id, '') = ''
        or (customer_reach.is_exported and coalesce(customers.is_deleted, true))
            as is_customer_missing,
        -- An account without a Stripe customer and with nothing to pay is not expected in Stripe.
        coalesce(accounts.stripe_customer_id, '') = '' and coalesce(periods.payable_minor, 1) <= 0
            as is_outside_stripe,
        coalesce(
            summary_reach.first_at < keys.period_end
            and summary_reach.last_at >= keys.period_end,
            false
        ) as is_meter_covered,
        -- An invoice may be made some seconds before the period's end by the account's own clock.
        coalesce(invoice_reach.last_at >= keys.period_end - interval 1 minute, false)
            as is_invoice_covered
    from keys
    left join lines
        on keys.account_id = lines.account_id
        and keys.stripe_event_name = lines.stripe_event_name
        and keys.period_start = lines.period_start
        and keys.period_end = lines.period_end
    left join ledger
        on keys.account_id = ledger.account_id
        and keys.stripe_event_name = ledger.stripe_event_name
        and keys.period_start = ledger.period_start
        and keys.period_end = ledger.period_end
    left join stripe_meter
        on keys.account_id = stripe_meter.account_id
        and keys.stripe_event_name = stripe_meter.stripe_event_name
        and keys.period_start = stripe_meter.period_start
        and keys.period_end = stripe_meter.period_end
    left join stripe_invoice
        on keys.account_id = stripe_invoice.account_id
        and keys.stripe_event_name = stripe_invoice.stripe_event_name
        and keys.period_start = stripe_invoice.period_start
        and keys.period_end = stripe_invoice.period_end
    left join {{ ref('int_event_prices_resolved') }} as prices
        on keys.account_id = prices.account_id
        and keys.stripe_event_name = prices.stripe_event_name
        and keys.period_start = prices.period_start
        and keys.period_end = prices.period_end
    left join {{ ref('int_stripe_event_names_mapped') }} as names
        on keys.stripe_event_name = names.stripe_event_name
    left join {{ ref('int_statement_periods_collected') }} as periods
        on keys.account_id = periods.account_id
        and keys.period_start = periods.period_start
        and keys.period_end = periods.period_end
    left join approved_periods
        on keys.account_id = approved_periods.account_id
        and keys.period_start = approved_periods.period_start
        and keys.period_end = approved_periods.period_end
    left join accounts on keys.account_id = accounts.account_id
    left join customers on accounts.stripe_customer_id = customers.customer_id
    cross join summary_reach
    cross join invoice_reach
    cross join customer_reach
)

select
    * exclude (is_meter_covered, is_meter_comparable, is_invoice_covered, is_outside_stripe, statement_currencies)
        replace (has_approval and not is_outside_stripe as has_approval),
    -- Where the ledger pushed for anybody in the month, what it pushed is what Stripe should hold;
    -- else something else pushes, and Stripe should hold what the statement bills.
    case
        when period in (select pushed_months.period from pushed_months)
            then coalesce(pushed_quantity, cast(0 as decimal(38, 12)))
        else billed_quantity
    end as baseline_quantity,
    period in (select pushed_months.period from pushed_months) as is_ledger_baseline,
    is_meter_covered and is_meter_comparable and not is_outside_stripe as is_meter_compared,
    is_meter_covered and is_meter_comparable and is_invoice_covered and not is_outside_stripe
        as is_invoice_compared,
    case
        when len(coalesce(statement_currencies, currencies)) = 1 then coalesce(statement_currencies, currencies)[1]
    end as currency,
    len(currencies) <= 1 as is_one_currency
from joined
