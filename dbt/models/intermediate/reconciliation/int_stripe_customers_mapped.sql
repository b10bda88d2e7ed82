-- Grain: one Stripe customer id, with the account that pays through it. When several accounts name
-- the same customer its Stripe numbers stand under the first account by id, so that they count
-- once.
with

accounts as (
    select * from {{ ref('stg_accounts__accounts') }}
)

select
    stripe_customer_id,
    min(account_id) as account_id,
    arg_min(timezone, account_id) as timezone
from accounts
where stripe_customer_id <> ''
group by stripe_customer_id
