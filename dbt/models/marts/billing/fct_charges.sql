{{ config(materialized='view') }}
-- Grain: line of a statement; key charge_id. Lines of approved statements are the ledger's,
-- unchanged for ever; lines of all others are rated anew when anything changes. What approved lines
-- should have been by now stands as `correction` lines, with their own service period, on a
-- statement not yet approved. A view: nearly every line stands in int_lines_rated already.
with

approved as (
    select
        charge_id,
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        charge_class,
        quantity,
        amount,
        amount_minor,
        currency,
        corrects_charge_id,
        stripe_event_name
    from {{ ref('stg_ledger__lines') }}
),

rated as (
    select
        lines.charge_id,
        lines.statement_id,
        lines.account_id,
        lines.subscription_id,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        lines.meter_id,
        lines.period_start,
        lines.period_end,
        lines.charge_class,
        lines.quantity,
        lines.amount,
        lines.amount_minor,
        lines.currency,
        cast(null as varchar) as corrects_charge_id,
        lines.stripe_event_name
    from {{ ref('int_lines_rated') }} as lines
    anti join {{ ref('stg_ledger__approvals') }} as approvals using (statement_id)
),

corrections as (
    select
        charge_id,
        statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        'correction' as charge_class,
        quantity,
        amount,
        amount_minor,
        currency,
        corrects_charge_id,
        stripe_event_name
    from {{ ref('int_lines_corrected') }}
)

select * from approved
union all
select * from rated
union all
select * from corrections
