{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_reconciliation_accounts_touched'), ['account_id']) }}"
) }}
-- Grain: account, Stripe event name, billing period, leg, cause: every named cause of a
-- difference.
select * from {{ ref('int_push_causes_chosen') }}
union all
select * from {{ ref('int_meter_causes_chosen') }}
union all
select * from {{ ref('int_invoice_causes_chosen') }}
