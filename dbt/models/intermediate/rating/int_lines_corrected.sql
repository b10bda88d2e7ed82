{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: statement that takes corrections, and approved line (or line that should have been): what
-- today's rating of it gives, less what was approved, less what earlier corrections already put
-- right. Approved lines and all corrections of them so always add up to today's rating.
with

rated as (
    select lines.*
    from {{ ref('int_lines_rated') }} as lines
    {{ semi_join_touched_accounts() }}
    semi join {{ ref('stg_ledger__approvals') }} as approvals using (statement_id)
),

frozen as (
    select *
    from {{ ref('stg_ledger__lines') }}
    {{ semi_join_touched_accounts() }}
),

signed as (
    select
        charge_id as corrects_charge_id,
        statement_id as corrected_statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        currency,
        stripe_event_name,
        quantity,
        amount,
        amount_minor,
        true as is_rated
    from rated
    union all
    select
        charge_id as corrects_charge_id,
        statement_id as corrected_statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        currency,
        stripe_event_name,
        cast(-quantity as decimal(38, 12)) as quantity,
        cast(-amount as decimal(38, 18)) as amount,
        -amount_minor as amount_minor,
        false as is_rated
    from frozen
    where charge_class <> 'correction'
    union all
    select
        corrects_charge_id,
        {{ statement_id('subscription_id', 'period_start') }} as corrected_statement_id,
        account_id,
        subscription_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        period_start,
        period_end,
        currency,
        stripe_event_name,
        cast(-quantity as decimal(38, 12)) as quantity,
        cast(-amount as decimal(38, 18)) as amount,
        -amount_minor as amount_minor,
        false as is_rated
    from frozen
    where charge_class = 'correction'
),

-- The columns beside the sums are part of the key or follow from it, and max() only picks their value;
-- or they are those of the approved line, if there is one: a line of another plan may have its id. Two
-- currencies never add: they would be two lines with one id, which stops the run.
differences as (
    select
        corrects_charge_id,
        corrected_statement_id,
        currency,
        max(account_id) as account_id,
        max(subscription_id) as subscription_id,
        coalesce(max(plan_id) filter (where not is_rated), max(plan_id)) as plan_id,
        max(plan_version) as plan_version,
        max(charge_key) as charge_key,
        max(meter_id) as meter_id,
        max(period_start) as period_start,
        max(period_end) as period_end,
        coalesce(max(stripe_event_name) filter (where not is_rated), max(stripe_event_name))
            as stripe_event_name,
        cast(sum(quantity) as decimal(38, 12)) as quantity,
        cast(sum(amount) as decimal(38, 18)) as amount,
        cast(sum(amount_minor) as bigint) as amount_minor
    from signed
    group by corrects_charge_id, corrected_statement_id, currency
    having sum(amount) <> 0 or sum(amount_minor) <> 0 or coalesce(sum(quantity), 0) <> 0
)

select
    {{ correction_id('placed.statement_id', 'differences.corrects_charge_id') }} as charge_id,
    placed.statement_id,
    differences.corrected_statement_id,
    -- A subscription that passed to another account takes its corrections along.
    coalesce(placed.account_id, differences.account_id) as account_id,
    differences.subscription_id,
    differences.plan_id,
    differences.plan_version,
    differences.charge_key,
    differences.meter_id,
    differences.period_start,
    differences.period_end,
    differences.quantity,
    differences.amount,
    differences.amount_minor,
    differences.currency,
    differences.corrects_charge_id,
    differences.stripe_event_name
from differences
left join {{ ref('int_corrections_placed') }} as placed using (corrected_statement_id)
