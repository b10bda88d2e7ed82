{{ config(meta={"dagster": {"ref": {"name": "fct_reconciliation"}}}) }}
-- What Stripe charged for metered usage on invoices that stand must be in the reconciliation, line by
-- line and to the minor unit, whoever the customer is: otherwise money was charged that nobody compares
-- with usage. Amounts by currency, except for currencies that some statement cannot be compared in
-- (currencies_differ); where an export does not tell them, lines are counted only.
with

charged as (
    select
        coalesce(lines.currency, invoices.currency) as currency,
        lines.amount_minor
    from {{ ref('stg_stripe__invoice_line_items') }} as lines
    inner join {{ ref('stg_stripe__invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id
    left join {{ ref('stg_stripe__prices') }} as prices on lines.price_id = prices.price_id
    inner join {{ ref('stg_stripe__meters') }} as meters
        on coalesce(prices.meter_id, lines.meter_id) = meters.meter_id
    inner join {{ ref('int_stripe_event_names_mapped') }} as names
        on meters.event_name = names.stripe_event_name
    where invoices.status in ('draft', 'open', 'paid', 'uncollectible')
),

charged_lines as (
    select count(*) as lines
    from charged
),

reconciled_lines as (
    select coalesce(sum(invoice_line_count), 0) as lines
    from {{ ref('int_reconciliation_sides_joined') }}
),

not_compared as (
    select distinct unnest(currencies) as currency
    from {{ ref('int_reconciliation_sides_joined') }}
    where not is_one_currency
),

charged_amounts as (
    select currency, sum(amount_minor) as amount
    from charged
    where (select count(*) = count(told.currency) from charged as told)
    group by currency
),

reconciled_amounts as (
    select currency, sum(stripe_invoice_amount_minor) as amount
    from {{ ref('fct_reconciliation') }}
    where currency is not null
    group by currency
)

select
    'lines' as what,
    charged_lines.lines as charged,
    reconciled_lines.lines as reconciled
from charged_lines
cross join reconciled_lines
where charged_lines.lines <> reconciled_lines.lines

union all

select
    charged_amounts.currency as what,
    charged_amounts.amount as charged,
    reconciled_amounts.amount as reconciled
from charged_amounts
anti join not_compared on charged_amounts.currency = not_compared.currency
left join reconciled_amounts on charged_amounts.currency = reconciled_amounts.currency
where charged_amounts.amount is distinct from coalesce(reconciled_amounts.amount, 0)
