{{ config(meta={"dagster": {"ref": {"name": "fct_reconciliation"}}}) }}
-- What Stripe charged for metered usage on invoices that stand must be in the reconciliation to
-- the minor unit, whoever the customer is: otherwise money was charged that nobody compares with
-- usage.
with

charged as (
    select sum(lines.amount_minor) as amount_minor
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

reconciled as (
    select sum(stripe_invoice_amount_minor) as amount_minor
    from {{ ref('fct_reconciliation') }}
)

select
    charged.amount_minor as charged_minor,
    reconciled.amount_minor as reconciled_minor
from charged
cross join reconciled
where coalesce(charged.amount_minor, 0) <> coalesce(reconciled.amount_minor, 0)
