{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: one line as today's facts under the prices in force then give it, for every statement,
-- approved or not. What differs from approved lines becomes int_lines_corrected.
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
    'usage' as charge_class,
    quantity,
    amount,
    amount_minor,
    currency,
    stripe_event_name
from {{ ref('int_usage_lines_rated') }}
union all
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
    'discount' as charge_class,
    cast(null as decimal(38, 12)) as quantity,
    amount,
    amount_minor,
    currency,
    cast(null as varchar) as stripe_event_name
from {{ ref('int_discount_lines_rated') }}
union all
select
    charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    'base_fee' as charge_key,
    cast(null as varchar) as meter_id,
    period_start,
    period_end,
    'base_fee' as charge_class,
    cast(null as decimal(38, 12)) as quantity,
    amount,
    amount_minor,
    currency,
    cast(null as varchar) as stripe_event_name
from {{ ref('int_base_fee_lines_rated') }}
union all
select
    charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    charge_key,
    cast(null as varchar) as meter_id,
    period_start,
    period_end,
    charge_class,
    cast(null as decimal(38, 12)) as quantity,
    amount,
    amount_minor,
    currency,
    cast(null as varchar) as stripe_event_name
from {{ ref('int_plan_lines_rated') }}
