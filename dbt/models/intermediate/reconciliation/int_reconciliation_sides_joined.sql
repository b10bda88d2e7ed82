{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_reconciliation_accounts_touched'), ['account_id']) }}"
) }}
-- Grain: account, Stripe event name, billing period: every side of the comparison in one row. With
-- Stripe is compared what Stripe can be expected to know: a period is compared when Stripe's
-- summaries begin before its end and reach it (an open month is not a difference), and its
-- invoices when an invoice was made at its end or later. Where nothing was exported, Stripe's
-- columns are null. Of an account that nothing can be compared with there are no rows: its
-- statements are the one side (fct_reconciliation).
with

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

customers as (
    select * from {{ ref('stg_stripe__customers') }}
),

-- How far each export reaches: one row.
reach as (
    select
        (select min(window_start) from {{ ref('stg_stripe__meter_event_summaries') }}) as first_summary_at,
        (select max(window_end) from {{ ref('stg_stripe__meter_event_summaries') }}) as last_summary_at,
        (select max(greatest(created_at, finalized_at)) from {{ ref('stg_stripe__invoices') }}) as last_invoice_at,
        (select count(*) > 0 from customers) as is_customer_exported
),

-- What the ledger or Stripe has, with a statement or without.
elsewhere as (
    select account_id, stripe_event_name, period_start, period_end from ledger
    union
    select account_id, stripe_event_name, period_start, period_end from stripe_meter
    union
    select account_id, stripe_event_name, period_start, period_end from stripe_invoice
),

-- With summaries of Stripe everybody is compared. Of an account billed in several currencies a statement may not
-- be comparable with itself.
compared_accounts as (
    select account_id from elsewhere
    union
    select account_id from approvals
    union
    select lines.account_id
    from {{ ref('fct_charges') }} as lines
    cross join reach
    where {{ is_reconciled_again('lines.account_id') }}
    group by lines.account_id
    having bool_or(reach.last_summary_at is not null) or min(lines.currency) <> max(lines.currency)
),

statement_lines as (
    select lines.*
    from {{ ref('int_statement_lines_counted') }} as lines
    semi join compared_accounts using (account_id)
    where lines.stripe_event_name <> ''
),

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
        -- Amounts of different currencies never add: then quantities are compared alone.
        case when min(currency) = max(currency) then min(currency) end as currency,
        cast(case when min(currency) = max(currency) then sum(warehouse_amount_minor) end as bigint)
            as warehouse_amount_minor,
        cast(
            case when min(currency) = max(currency) then sum(billed_amount_exact_minor) end as decimal(38, 18)
        ) as billed_amount_exact_minor,
        cast(case when min(currency) = max(currency) then sum(billed_amount_minor) end as bigint)
            as billed_amount_minor
    from statement_lines
    group by account_id, stripe_event_name, period_start, period_end
),

-- Few statements have lines in several currencies, and only those are listed.
listed as (
    select
        statement_lines.account_id,
        statement_lines.stripe_event_name,
        statement_lines.period_start,
        statement_lines.period_end,
        list_sort(list(distinct statement_lines.currency)) as currencies
    from statement_lines
    semi join (select * from lines where currency is null) as several
        on statement_lines.account_id = several.account_id
        and statement_lines.stripe_event_name = several.stripe_event_name
        and statement_lines.period_start = several.period_start
        and statement_lines.period_end = several.period_end
    group by
        statement_lines.account_id,
        statement_lines.stripe_event_name,
        statement_lines.period_start,
        statement_lines.period_end
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

accounts as (
    select * from {{ ref('stg_accounts__accounts') }}
),

keys as (
    select *, true as has_lines from lines
    union all by name
    select *, false as has_lines
    from elsewhere
    anti join lines using (account_id, stripe_event_name, period_start, period_end)
),

joined as (
    select
        keys.account_id,
        keys.stripe_event_name,
        coalesce(names.meter_id, keys.meter_id, keys.stripe_event_name) as meter_id,
        keys.period_start,
        keys.period_end,
        names.source as meter_source,
        names.measure,
        accounts.stripe_customer_id,
        coalesce(
            periods.period,
            strftime(keys.period_start at time zone coalesce(accounts.timezone, 'UTC'), '%Y-%m')
        ) as period,
        coalesce(keys.warehouse_quantity, cast(0 as decimal(38, 12))) as warehouse_quantity,
        coalesce(keys.approvable_quantity, cast(0 as decimal(38, 12))) as approvable_quantity,
        case when keys.has_lines then keys.warehouse_amount_minor else 0 end as warehouse_amount_minor,
        coalesce(keys.billed_quantity, cast(0 as decimal(38, 12))) as billed_quantity,
        coalesce(keys.billed_amount_exact_minor, cast(0 as decimal(38, 18)))
            as billed_amount_exact_minor,
        coalesce(keys.billed_amount_minor, 0) as billed_amount_minor,
        coalesce(keys.billed_line_count, 0) as billed_line_count,
        ledger.approved_quantity,
        ledger.approved_correction_quantity,
        ledger.pushed_quantity,
        ledger.rejected_quantity,
        ledger.identifiers,
        ledger.rejections,
        approved_periods.account_id is not null as has_approval,
        -- Without one currency a unit has no one value.
        case
            when listed.currencies is not null then cast(0 as decimal(38, 18))
            else coalesce(prices.unit_amount_minor, cast(0 as decimal(38, 18)))
        end as unit_amount_minor,
        keys.has_lines,
        keys.currency as statement_currency,
        case
            when listed.currencies is not null or stripe_invoice.currencies is not null
                then list_sort(list_distinct(list_concat(
                    coalesce(listed.currencies, [keys.currency]), coalesce(stripe_invoice.currencies, [])
                )))
        end as currencies,
        case when prices.account_id is null then [] else prices.unit_amounts_minor end as unit_amounts_in_force,
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
        or (reach.is_customer_exported and coalesce(customers.is_deleted, true))
            as is_customer_missing,
        -- An account without a Stripe customer and with nothing to pay is not expected in Stripe.
        coalesce(accounts.stripe_customer_id, '') = '' and coalesce(periods.payable_minor, 1) <= 0
            as is_outside_stripe,
        {{ is_meter_covered('keys.period_end', 'reach') }} as is_meter_covered,
        -- An invoice may be made some seconds before the period's end by the account's own clock.
        coalesce(reach.last_invoice_at >= keys.period_end - interval 1 minute, false)
            as is_invoice_covered
    from keys
    left join listed
        on keys.account_id = listed.account_id
        and keys.stripe_event_name = listed.stripe_event_name
        and keys.period_start = listed.period_start
        and keys.period_end = listed.period_end
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
    cross join reach
)

select
    * exclude (
        is_meter_covered, is_meter_comparable, is_invoice_covered, is_outside_stripe, has_lines, statement_currency
    )
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
        when has_lines then statement_currency
        when len(currencies) = 1 then currencies[1]
    end as currency,
    coalesce(len(currencies) <= 1, true) as is_one_currency
from joined
