{{ config(severity='warn', meta={"dagster": {"ref": {"name": "stg_accounts__subscriptions"}}}) }}
-- A running subscription to a plan of which no version is published is billed nothing: an issue in
-- fct_usage_issues names it, and this check its row.
select subscriptions.subscription_id, subscriptions.plan_id
from {{ ref('stg_accounts__subscriptions') }} as subscriptions
anti join {{ ref('stg_pricebook__versions') }} as versions using (plan_id)
where subscriptions.started_at <= {{ as_of() }}
