-- Grain: metered line of a statement, or what an approved line would be by today's facts: what it counts for on
-- either side of the reconciliation. What is billed of a statement and what today's facts give differ
-- once it is approved: from then on its lines stand still. A discount is a line of its own beside its
-- charge and belongs to the charge's event name; an event name of '' means that the charge is not sent
-- to Stripe.
with

-- Parts of a billing period are one period here: what Stripe says is about the period (DECISIONS D62).
statements as (
    select
        statements.statement_id,
        statements.account_id,
        coalesce(parts.billing_period_start, statements.period_start) as period_start,
        coalesce(parts.billing_period_end, statements.period_end) as period_end,
        statements.status in ('approved', 'pushed') as is_approved
    from {{ ref('fct_statements') }} as statements
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
    where {{ is_reconciled_again('statements.account_id') }}
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

-- Before approval a statement bills what today's facts give, and corrections: its lines are read once for both.
-- The amount of a line before its rounding is in minor units.
billed_lines as (
    select
        statements.*,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.stripe_event_name,
        lines.currency,
        true as is_billed,
        not statements.is_approved and lines.charge_class <> 'correction' as is_rated,
        coalesce(lines.quantity, cast(0 as decimal(38, 12))) as quantity,
        lines.amount_minor,
        cast(lines.amount * ({{ minor_factor('lines.currency') }}) as decimal(38, 18))
            as amount_exact_minor
    from {{ ref('fct_charges') }} as lines
    inner join statements using (statement_id)
    where lines.meter_id is not null and {{ is_reconciled_again('lines.account_id') }}
),

rated_lines as (
    select
        statements.*,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.stripe_event_name,
        lines.currency,
        false as is_billed,
        true as is_rated,
        coalesce(lines.quantity, cast(0 as decimal(38, 12))) as quantity,
        lines.amount_minor,
        cast(0 as decimal(38, 18)) as amount_exact_minor
    from {{ ref('int_lines_rated') }} as lines
    inner join statements using (statement_id)
    where statements.is_approved and lines.meter_id is not null and {{ is_reconciled_again('lines.account_id') }}
),

lines as (
    select * from billed_lines
    union all
    select * from rated_lines
)

select
    lines.account_id,
    coalesce(lines.stripe_event_name, event_names.stripe_event_name, '') as stripe_event_name,
    lines.meter_id,
    lines.period_start,
    lines.period_end,
    lines.currency,
    lines.is_approved,
    case when lines.is_rated then lines.quantity else cast(0 as decimal(38, 12)) end as warehouse_quantity,
    case when lines.is_rated then lines.amount_minor else 0 end as warehouse_amount_minor,
    case when lines.is_rated and lines.is_approved then lines.quantity else cast(0 as decimal(38, 12)) end
        as approvable_quantity,
    case when lines.is_billed then lines.quantity else cast(0 as decimal(38, 12)) end as billed_quantity,
    lines.amount_exact_minor as billed_amount_exact_minor,
    case when lines.is_billed then lines.amount_minor else 0 end as billed_amount_minor,
    cast(lines.is_billed as bigint) as billed_line_count,
    case
        when lines.is_approved and lines.is_billed then lines.quantity
        when lines.is_approved then cast(0 as decimal(38, 12))
    end as approved_quantity
from lines
left join event_names
    on lines.plan_id = event_names.plan_id
    and lines.plan_version = event_names.plan_version
    and lines.charge_key = event_names.charge_key
