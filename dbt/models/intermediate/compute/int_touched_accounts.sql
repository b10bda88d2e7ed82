{{ config(materialized='table') }}
-- Grain: one account whose charges this build must make again. Its usage differs; or the clock
-- passed an instant of its rating; or what rates everybody changed (price book, subscriptions,
-- credits, or the ledger), which is true of all accounts at once, those that only the last build
-- knew among them. Accounts between which a subscription or a credit passed after a statement was
-- approved correct each other's statements: always made again, together (DECISIONS D30).
{%- set built = load_relation_of('marts', 'fct_statements') %}
with

owners as (
    select 'subscription' as kind, subscription_id as owned_id, account_id
    from {{ ref('stg_accounts__subscriptions') }}
    union
    select 'subscription' as kind, subscription_id as owned_id, account_id
    from {{ ref('stg_ledger__approvals') }}
    union
    select 'credit' as kind, credit_id as owned_id, account_id
    from {{ ref('stg_accounts__credits') }}
    union
    select 'credit' as kind, credits.credit_id as owned_id, approvals.account_id
    from {{ ref('stg_ledger__credits') }} as credits
    inner join {{ ref('stg_ledger__approvals') }} as approvals using (approval_id)
),

passed_on as (
    select unnest(list(account_id)) as account_id
    from owners
    group by kind, owned_id
    having count(*) > 1
),

everybody as (
    select account_id from {{ ref('stg_accounts__accounts') }}
    union
    select account_id from {{ ref('stg_ledger__approvals') }}
    {%- if built is not none %}
    union
    select account_id from {{ built }}
    {%- endif %}
)

select account_id from {{ ref('int_touched_account_days') }}
union
select account_id from {{ ref('int_accounts_touched_by_clock') }}
union
select account_id from passed_on
union
select account_id
from everybody
where (select context.rebuild_rating from {{ ref('stg_ops__run_context') }} as context)
