{{ config(materialized='ephemeral') }}
-- Grain: statement: the stretch of a subscription's time that it bills. That is a billing period, or one of the
-- parts in which it is billed (DECISIONS D62).
select
    periods.statement_id,
    periods.statement_id as billing_period_id,
    periods.subscription_id,
    periods.account_id,
    periods.period,
    periods.period_start,
    periods.period_end,
    periods.is_closed,
    periods.is_subscribed
from {{ ref('int_billing_periods') }} as periods
anti join {{ ref('int_statement_parts') }} as parts
    on periods.statement_id = parts.billing_period_id
union all
select
    parts.statement_id,
    parts.billing_period_id,
    periods.subscription_id,
    periods.account_id,
    periods.period,
    parts.period_start,
    parts.period_end,
    periods.is_closed or not parts.is_last_part as is_closed,
    periods.is_subscribed
from {{ ref('int_billing_periods') }} as periods
inner join {{ ref('int_statement_parts') }} as parts
    on periods.statement_id = parts.billing_period_id
