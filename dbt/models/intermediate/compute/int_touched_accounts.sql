{{ config(materialized='table') }}
-- Grain: one account whose charges this build must make again: its usage differs, or what rates it does
-- (price book, subscriptions, credits, or the clock), which is true of all of them at once.
select distinct account_id
from {{ ref('int_touched_account_days') }}
union
select account_id
from {{ ref('stg_accounts__accounts') }}
where (select context.rebuild_rating from {{ ref('stg_ops__run_context') }} as context)
