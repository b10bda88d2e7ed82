-- Grain: account, Stripe event name, billing period with an approved statement (or several: D62): what was approved,
-- what of it Stripe took (accepted, or known there already), and what it refused. An answer that a
-- quantity was taken is never undone by a later one.
with

approvals as (
    select
        approvals.*,
        coalesce(parts.billing_period_start, approvals.period_start) as billing_period_start,
        coalesce(parts.billing_period_end, approvals.period_end) as billing_period_end
    from {{ ref('stg_ledger__approvals') }} as approvals
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
    where {{ is_reconciled_again('approvals.account_id') }}
),

lines as (
    select
        approvals.account_id,
        lines.stripe_event_name,
        approvals.billing_period_start as period_start,
        approvals.billing_period_end as period_end,
        cast(coalesce(sum(lines.quantity), 0) as decimal(38, 12)) as approved_quantity,
        -- What corrects an earlier part of the same period is no correction of another.
        cast(
            coalesce(sum(lines.quantity) filter (
                where lines.charge_class = 'correction'
                and (
                    lines.period_start < approvals.billing_period_start
                    or lines.period_start >= approvals.billing_period_end
                )
            ), 0)
            as decimal(38, 12)
        ) as approved_correction_quantity
    from {{ ref('stg_ledger__lines') }} as lines
    inner join approvals on lines.approval_id = approvals.approval_id
    where lines.charge_class in ('usage', 'correction') and lines.stripe_event_name <> ''
    group by
        approvals.account_id,
        lines.stripe_event_name,
        approvals.billing_period_start,
        approvals.billing_period_end
),

answers as (
    select
        intent_id,
        coalesce(bool_or(state in ('accepted', 'duplicate')), false) as is_taken,
        coalesce(arg_max(state, answer_id) = 'rejected', false)
        and not coalesce(bool_or(state in ('accepted', 'duplicate')), false) as is_refused,
        arg_max(message, answer_id) as last_message
    from {{ ref('stg_ledger__answers') }}
    group by intent_id
),

intents as (
    select
        approvals.account_id,
        intents.stripe_event_name,
        approvals.billing_period_start as period_start,
        approvals.billing_period_end as period_end,
        cast(coalesce(sum(intents.quantity) filter (where answers.is_taken), 0) as decimal(38, 12))
            as pushed_quantity,
        cast(
            coalesce(sum(intents.quantity) filter (where answers.is_refused), 0) as decimal(38, 12)
        ) as rejected_quantity,
        list(intents.identifier order by intents.identifier) as identifiers,
        list(answers.last_message order by intents.identifier) filter (where answers.is_refused)
            as rejections
    from {{ ref('stg_ledger__intents') }} as intents
    inner join approvals on intents.approval_id = approvals.approval_id
    left join answers on intents.intent_id = answers.intent_id
    group by
        approvals.account_id,
        intents.stripe_event_name,
        approvals.billing_period_start,
        approvals.billing_period_end
)

select
    coalesce(lines.account_id, intents.account_id) as account_id,
    coalesce(lines.stripe_event_name, intents.stripe_event_name) as stripe_event_name,
    coalesce(lines.period_start, intents.period_start) as period_start,
    coalesce(lines.period_end, intents.period_end) as period_end,
    coalesce(lines.approved_quantity, cast(0 as decimal(38, 12))) as approved_quantity,
    coalesce(lines.approved_correction_quantity, cast(0 as decimal(38, 12)))
        as approved_correction_quantity,
    coalesce(intents.pushed_quantity, cast(0 as decimal(38, 12))) as pushed_quantity,
    coalesce(intents.rejected_quantity, cast(0 as decimal(38, 12))) as rejected_quantity,
    intents.identifiers[1:5] as identifiers,
    intents.rejections[1:5] as rejections
from lines
full outer join intents
    on lines.account_id = intents.account_id
    and lines.stripe_event_name = intents.stripe_event_name
    and lines.period_start = intents.period_start
    and lines.period_end = intents.period_end
