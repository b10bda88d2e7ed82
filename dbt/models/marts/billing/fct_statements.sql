{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: account, subscription and billing period, or part of one (DECISIONS D62); key statement_id. subtotal_minor
-- is the sum of the statement's lines and total_minor that less its credits, always. Approved statements are the
-- ledger's and never change. The digest is a SHA-256 of the statement's own text: its lines by
-- charge_id, its credits, its totals.
with

-- Few periods differ, so each is written as text once.
periods as (
    select
        period_start,
        period_end,
        {{ utc_text('period_start') }} || '|' || {{ utc_text('period_end') }} as period_text
    from (
        select distinct period_start, period_end
        from {{ ref('fct_charges') }}
        {{ semi_join_touched_accounts() }}
    ) as every_period
),

lines as (
    select
        statement_id,
        cast(sum(amount_minor) as bigint) as subtotal_minor,
        min(currency) as currency,
        -- A line's text begins with its id, so sorting the texts sorts the lines by id.
        array_to_string(list_sort(list(
            concat_ws(
                '|',
                charge_id,
                plan_id,
                plan_version,
                charge_key,
                coalesce(meter_id, ''),
                period_text,
                charge_class,
                coalesce(cast(quantity as varchar), ''),
                cast(amount as varchar),
                cast(amount_minor as varchar),
                currency,
                coalesce(corrects_charge_id, '')
            )
        )), chr(10)) as lines_text
    from {{ ref('fct_charges') }}
    {{ semi_join_touched_accounts() }}
    inner join periods using (period_start, period_end)
    anti join {{ ref('stg_ledger__approvals') }} as approvals using (statement_id)
    group by statement_id
),

credits as (
    select
        statement_id,
        cast(sum(applied_minor) as bigint) as credits_minor,
        array_to_string(list_sort(list(
            concat_ws(
                '|', credit_id, cast(applied_minor as varchar), cast(remaining_minor as varchar)
            )
        )), chr(10)) as credits_text
    from {{ ref('int_credits_applied') }}
    {{ semi_join_touched_accounts() }}
    group by statement_id
),

totalled as (
    select
        statements.* exclude (currency),
        coalesce(lines.currency, statements.currency) as currency,
        coalesce(lines.subtotal_minor, 0) as subtotal_minor,
        coalesce(credits.credits_minor, 0) as credits_minor,
        coalesce(lines.subtotal_minor, 0) - coalesce(credits.credits_minor, 0) as total_minor,
        coalesce(lines.lines_text, '') as lines_text,
        coalesce(credits.credits_text, '') as credits_text
    from {{ ref('int_statements_listed') }} as statements
    left join lines using (statement_id)
    left join credits using (statement_id)
),

unsettled as (
    select
        statement_id,
        account_id,
        subscription_id,
        period_start,
        period_end,
        currency,
        subtotal_minor,
        credits_minor,
        total_minor,
        status,
        sha256(concat_ws(
            chr(10),
            concat_ws('|', statement_id, account_id, subscription_id, currency),
            lines_text,
            credits_text,
            concat_ws(
                '|',
                cast(subtotal_minor as varchar),
                cast(credits_minor as varchar),
                cast(total_minor as varchar)
            )
        )) as digest,
        period,
        stripe_customer_id
    from totalled
),

-- Pushed: there was something to send, and Stripe has taken all of it.
accepted as (
    select distinct intent_id
    from {{ ref('stg_ledger__answers') }}
    where state in ('accepted', 'duplicate')
),

pushes as (
    select
        intents.approval_id,
        bool_and(accepted.intent_id is not null) as is_complete
    from {{ ref('stg_ledger__intents') }} as intents
    left join accepted using (intent_id)
    group by intents.approval_id
),

approved as (
    select
        approvals.statement_id,
        approvals.account_id,
        approvals.subscription_id,
        approvals.period_start,
        approvals.period_end,
        approvals.currency,
        approvals.subtotal_minor,
        approvals.credits_minor,
        approvals.total_minor,
        case when pushes.is_complete then 'pushed' else 'approved' end as status,
        approvals.digest,
        approvals.period,
        accounts.stripe_customer_id
    from {{ ref('stg_ledger__approvals') }} as approvals
    {{ semi_join_touched_accounts() }}
    left join pushes using (approval_id)
    left join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
)

select * from unsettled
union all
select * from approved
