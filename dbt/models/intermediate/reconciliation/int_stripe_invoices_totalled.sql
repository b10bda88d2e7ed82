-- Grain: account, Stripe event name, billing period: what Stripe's invoices say. A line is metered
-- usage when its price is backed by a meter of the price book; it belongs to the statement period
-- that holds the middle of its own period (Stripe's periods may be off by seconds), or, where the
-- account has no statement then, to the calendar month of the account's time zone. One period may
-- have several invoices (thresholds), so lines add up by period, never by invoice. Void and
-- deleted invoices hold nothing.
with

invoices as (
    select *
    from {{ ref('stg_stripe__invoices') }}
    where status in ('draft', 'open', 'paid', 'uncollectible')
),

lines as (
    select * from {{ ref('stg_stripe__invoice_line_items') }}
),

metered as (
    select
        coalesce(customers.account_id, 'unattributed') as account_id,
        coalesce(customers.timezone, 'UTC') as timezone,
        names.stripe_event_name,
        invoices.invoice_id,
        invoices.customer_id,
        invoices.status <> 'draft' as is_finalized,
        lines.line_id,
        lines.price_id,
        lines.quantity,
        lines.is_quantity_truncated,
        lines.amount_minor,
        coalesce(lines.currency, invoices.currency) as currency,
        coalesce(lines.unit_amount_minor, prices.unit_amount_minor) as unit_amount_minor,
        lines.period_start
        + to_microseconds((epoch_us(lines.period_end) - epoch_us(lines.period_start)) // 2)
            as middle_at
    from lines
    inner join invoices on lines.invoice_id = invoices.invoice_id
    left join {{ ref('stg_stripe__prices') }} as prices on lines.price_id = prices.price_id
    inner join {{ ref('stg_stripe__meters') }} as meters
        on coalesce(prices.meter_id, lines.meter_id) = meters.meter_id
    inner join {{ ref('int_stripe_event_names_mapped') }} as names
        on meters.event_name = names.stripe_event_name
    left join {{ ref('int_stripe_customers_mapped') }} as customers
        on invoices.customer_id = customers.stripe_customer_id
    where {{ is_reconciled_again("coalesce(customers.account_id, 'unattributed')") }}
),

dated as (
    select
        *,
        date_trunc('month', middle_at at time zone timezone) as local_month
    from metered
),

placed as (
    select
        dated.*,
        coalesce(
            periods.period_start, dated.local_month at time zone dated.timezone
        ) as period_start,
        coalesce(
            periods.period_end, (dated.local_month + interval 1 month) at time zone dated.timezone
        ) as period_end,
        row_number() over (
            partition by dated.invoice_id, dated.line_id
            order by
                epoch_us(periods.period_end) - epoch_us(periods.period_start), periods.period_start
        ) as choice
    from dated
    left join {{ ref('int_statement_periods_collected') }} as periods
        on dated.account_id = periods.account_id
        and dated.middle_at >= periods.period_start
        and dated.middle_at < periods.period_end
)

select
    account_id,
    stripe_event_name,
    period_start,
    period_end,
    cast(sum(quantity) as decimal(38, 12)) as stripe_invoice_quantity,
    -- Amounts of different currencies never add.
    cast(case when count(distinct currency) <= 1 then sum(amount_minor) end as bigint) as stripe_invoice_amount_minor,
    list_sort(list(distinct currency) filter (where currency is not null)) as currencies,
    count(*) as line_count,
    count(*) filter (where is_quantity_truncated) as truncated_line_count,
    bool_and(is_finalized) as is_finalized,
    list(distinct invoice_id order by invoice_id)[1:5] as invoice_ids,
    list(distinct line_id order by line_id)[1:5] as line_ids,
    list(distinct price_id order by price_id)[1:5] as price_ids,
    list(distinct unit_amount_minor order by unit_amount_minor)
    filter (where unit_amount_minor is not null) as unit_amounts_minor
from placed
where choice = 1
group by account_id, stripe_event_name, period_start, period_end
