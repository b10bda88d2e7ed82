{{ config(materialized='table') }}
-- Grain: one account whose reconciliation this build makes again. That is everybody's when what all
-- are compared with differs: the Stripe exports, the ledger, or the references (another price book
-- changes event names, credits change what is to pay). Else that of the accounts whose charges are
-- made again, and of all whose meter differs from Stripe's: what explains such a difference lies in
-- the intervals (repeated deliveries, pauses, when they became known) and may change while the
-- charges stay. So does a provider's total where intervals count and not it: the accounts whose totals
-- differ from the last build's are made again. Everybody includes those who are only in the last build,
-- so that their rows go.
{%- set last_legs = load_relation_of('intermediate', 'int_reconciliation_legs_compared') %}
{%- set last_rows = load_relation_of('marts', 'fct_reconciliation') %}
with

everybody as (
    select account_id from {{ ref('stg_accounts__accounts') }}
    union
    select account_id from {{ ref('stg_ledger__approvals') }}
    union
    select 'unattributed' as account_id
    {%- if last_rows is not none %}
    union
    select account_id from {{ last_rows }}
    {%- endif %}
),

totals as (
    select
        account_id, meter_id, period_start, period_end,
        cast(sum(provider_quantity) as decimal(38, 12)) as provider_quantity
    from {{ ref('int_provider_totals_compared') }}
    where provider_quantity is not null
    group by account_id, meter_id, period_start, period_end
),

last_totals as (
    {%- if last_rows is not none %}
    select account_id, meter_id, period_start, period_end, provider_quantity
    from {{ last_rows }}
    where provider_quantity is not null
    {%- else %}
    select * from totals where false
    {%- endif %}
)

select account_id
from everybody
where (select context.rebuild_reconciliation from {{ ref('stg_ops__run_context') }} as context)
union
select account_id from {{ ref('int_touched_accounts') }}
{%- if last_legs is not none %}
union
select account_id from {{ last_legs }} where leg = 'pushed_meter' and differs
{%- endif %}
union
select account_id from (select * from totals except select * from last_totals) as gained
union
select account_id from (select * from last_totals except select * from totals) as lost
