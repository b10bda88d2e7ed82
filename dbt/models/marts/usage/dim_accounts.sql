-- Grain: one account of accounts.csv.
select
    account_id,
    name,
    stripe_customer_id,
    currency,
    timezone
from {{ ref('stg_accounts__accounts') }}
