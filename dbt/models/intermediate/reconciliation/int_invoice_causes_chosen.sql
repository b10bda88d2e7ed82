-- Grain: account, Stripe event name, billing period, cause on the leg meter_invoice: at most one
-- for the quantity and one for the amount that remains once the invoice's quantity is valued at
-- the price in force; a remainder that is only rounding goes with the quantity's cause. Both sides
-- say plainly what they are, so nothing of this leg is ever unexplained.
with

legs as (
    select
        legs.left_quantity,
        legs.right_quantity,
        legs.quantity_difference,
        legs.left_value_minor,
        legs.right_value_minor,
        legs.value_difference_minor,
        legs.differs,
        sides.*,
        cast(case
            when sides.is_one_currency then {{ value_at('legs.right_quantity', 'sides') }} else 0
        end as bigint) as expected_amount_minor
    from {{ ref('int_reconciliation_legs_compared') }} as legs
    inner join {{ ref('int_reconciliation_sides_joined') }} as sides
        on legs.account_id = sides.account_id
        and legs.stripe_event_name = sides.stripe_event_name
        and legs.period_start = sides.period_start
        and legs.period_end = sides.period_end
    where
        legs.leg = 'meter_invoice'
        and (legs.differs or legs.value_difference_minor <> 0 or not sides.is_one_currency)
        and {{ is_reconciled_again('legs.account_id') }}
),

judged as (
    select
        *,
        coalesce(invoice_line_count, 0) as line_count,
        {{ quantities_agree('right_quantity', '2 * left_quantity') }} and invoice_line_count > 1
            as is_double,
        coalesce(truncated_line_count, 0) > 0
        and left_quantity > right_quantity
        and left_quantity - right_quantity < coalesce(truncated_line_count, 0) as is_truncated,
        -- Stripe keeps twelve places of a unit amount; the last one may have been cut instead of
        -- rounded. Where units have no amount of their own (packages), an invoice's may be any.
        unit_amounts_in_force is not null
        and len(list_filter(
            coalesce(invoice_unit_amounts_minor, []),
            lambda charged: len(list_filter(
                unit_amounts_in_force,
                lambda agreed: abs(agreed - charged) <= 0.000000000001
            )) = 0
        )) > 0 as is_other_price,
        -- Each line, theirs and ours, is off by half a minor unit at most.
        2 * abs(right_value_minor - expected_amount_minor)
        <= coalesce(invoice_line_count, 0) + billed_line_count as is_rounding
    from legs
),

causes as (
    select
        *,
        1 as priority,
        case
            when line_count = 0 then 'meter_not_invoiced'
            when is_double then 'invoiced_twice'
            when is_truncated then 'quantity_truncated_on_invoice'
            when right_quantity > left_quantity then 'invoice_exceeds_meter'
            when is_invoice_finalized then 'usage_after_finalization'
            else 'invoice_not_finalized'
        end as cause,
        quantity_difference as quantity_delta,
        cast(
            case
                when line_count = 0 or (is_rounding and not is_other_price)
                    then value_difference_minor
                else expected_amount_minor - left_value_minor
            end as bigint
        ) as amount_delta_minor
    from judged
    where differs or line_count = 0

    union all

    select
        *,
        2 as priority,
        case
            when not is_one_currency then 'currencies_differ'
            when is_other_price then 'price_not_in_force'
            when is_rounding then 'line_rounding'
            else 'invoice_amount_differs'
        end as cause,
        cast(0 as decimal(38, 12)) as quantity_delta,
        cast(right_value_minor - expected_amount_minor as bigint) as amount_delta_minor
    from judged
    where
        line_count > 0
        and (
            not is_one_currency
            or (
                right_value_minor <> expected_amount_minor
                and (not differs or is_other_price or not is_rounding)
            )
        )
)

select
    account_id,
    stripe_event_name,
    meter_id,
    period_start,
    period_end,
    'meter_invoice' as leg,
    priority,
    cause,
    quantity_delta,
    amount_delta_minor,
    {{ evidence_text({
        "event_name": "stripe_event_name",
        "period": "period",
        "stripe_meter_quantity": plain_decimal("left_quantity"),
        "stripe_invoice_quantity": "case when line_count > 0 then " ~ plain_decimal("right_quantity") ~ " end",
        "stripe_invoice_amount_minor": "cast(stripe_invoice_amount_minor as varchar)",
        "expected_amount_minor": "cast(case when line_count = 0 then left_value_minor else expected_amount_minor end as varchar)",
        "currencies": "case when not is_one_currency then currencies end",
        "invoiced_unit_amounts_minor": plain_decimals("invoice_unit_amounts_minor"),
        "unit_amounts_in_force_minor": plain_decimals("unit_amounts_in_force"),
        "stripe_customer_id": "nullif(stripe_customer_id, '')",
        "invoice_ids": "invoice_ids",
        "line_ids": "line_ids",
        "price_ids": "price_ids",
    }) }} as evidence
from causes
