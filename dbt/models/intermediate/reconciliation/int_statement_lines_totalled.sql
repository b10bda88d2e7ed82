-- Grain: account, Stripe event name, meter, billing period, currency: what the statement of the period bills
-- for the meter, corrections of earlier periods among it, and what today's facts give for the
-- usage of the period itself. The two differ once a statement is approved: from then on its lines
-- stand still. A discount is a line of its own beside its charge and belongs to the charge's event
-- name; an event name of '' means that the charge is not sent to Stripe.
with

-- Parts of a billing period add up here: what Stripe says is about the period (DECISIONS D62).
statements as (
    select
        statements.statement_id,
        statements.account_id,
        coalesce(parts.billing_period_start, statements.period_start) as period_start,
        coalesce(parts.billing_period_end, statements.period_end) as period_end,
        statements.status in ('approved', 'pushed') as is_approved
    from {{ ref('fct_statements') }} as statements
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
),

event_names as (
    select
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as stripe_event_name
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters on charges.meter_id = meters.meter_id
),

billed_lines as (
    select *
    from {{ ref('fct_charges') }}
    where meter_id is not null and {{ is_reconciled_again('account_id') }}
),

rated_lines as (
    select *
    from {{ ref('int_lines_rated') }}
    where meter_id is not null and {{ is_reconciled_again('account_id') }}
),

-- The amount of a line as it would be before its rounding, in minor units.
amounts as (
    select
        lines.statement_id,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.stripe_event_name,
        lines.currency,
        true as is_billed,
        lines.quantity,
        lines.amount_minor,
        cast(lines.amount * ({{ minor_factor('lines.currency') }}) as decimal(38, 18))
            as amount_exact_minor
    from billed_lines as lines

    union all

    select
        lines.statement_id,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.stripe_event_name,
        lines.currency,
        false as is_billed,
        lines.quantity,
        lines.amount_minor,
        cast(0 as decimal(38, 18)) as amount_exact_minor
    from rated_lines as lines
)

select
    statements.account_id,
    coalesce(amounts.stripe_event_name, event_names.stripe_event_name, '') as stripe_event_name,
    amounts.meter_id,
    statements.period_start,
    statements.period_end,
    amounts.currency,
    cast(coalesce(sum(amounts.quantity) filter (where not amounts.is_billed), 0) as decimal(38, 12))
        as warehouse_quantity,
    cast(coalesce(sum(amounts.amount_minor) filter (where not amounts.is_billed), 0) as bigint)
        as warehouse_amount_minor,
    cast(coalesce(sum(amounts.quantity) filter (where amounts.is_billed), 0) as decimal(38, 12))
        as billed_quantity,
    cast(
        coalesce(sum(amounts.amount_exact_minor) filter (where amounts.is_billed), 0)
        as decimal(38, 18)
    ) as billed_amount_exact_minor,
    cast(coalesce(sum(amounts.amount_minor) filter (where amounts.is_billed), 0) as bigint)
        as billed_amount_minor,
    count(*) filter (where amounts.is_billed) as billed_line_count,
    bool_or(statements.is_approved) as is_approved,
    cast(
        coalesce(sum(amounts.quantity) filter (where statements.is_approved and not amounts.is_billed), 0)
        as decimal(38, 12)
    ) as approvable_quantity,
    cast(
        coalesce(sum(amounts.quantity) filter (where statements.is_approved and amounts.is_billed), 0)
        as decimal(38, 12)
    ) as approved_quantity
from amounts
inner join statements on amounts.statement_id = statements.statement_id
left join event_names
    on amounts.plan_id = event_names.plan_id
    and amounts.plan_version = event_names.plan_version
    and amounts.charge_key = event_names.charge_key
group by all
