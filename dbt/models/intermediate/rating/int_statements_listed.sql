{{ config(materialized='ephemeral') }}
-- Grain: statement that is not approved: every period of a subscription that has begun, or part of one, whether
-- or not anything was used in it, and periods after its end that take corrections or credits. Its currency is that
-- of a statement without a line.
with

version_currencies as (
    select segments.statement_id, arg_min(versions.currency, segments.segment_start) as currency
    from {{ ref('int_account_segments') }} as segments
    {{ semi_join_touched_accounts() }}
    inner join {{ ref('int_price_versions') }} as versions using (plan_id, plan_version)
    group by segments.statement_id
),

periods as (
    select * from {{ ref('int_statement_periods') }}
)

select
    periods.statement_id,
    periods.account_id,
    periods.subscription_id,
    accounts.stripe_customer_id,
    periods.period,
    periods.period_start,
    periods.period_end,
    coalesce(version_currencies.currency, accounts.currency) as currency,
    case when periods.is_closed then 'closed' else 'open' end as status
from periods
{{ semi_join_touched_accounts() }}
anti join {{ ref('stg_ledger__approvals') }} as approvals using (statement_id)
left join version_currencies on periods.billing_period_id = version_currencies.statement_id
left join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
where
    periods.is_subscribed
    or periods.statement_id in (select corrected.statement_id from {{ ref('int_lines_corrected') }} as corrected)
    or periods.statement_id in (select credits.statement_id from {{ ref('int_credits_applied') }} as credits)
