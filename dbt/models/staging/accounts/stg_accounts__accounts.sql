select
    accounts.account_id,
    accounts.name,
    accounts.stripe_customer_id,
    accounts.currency,
    accounts.timezone,
    accounts.email
from {{ source('accounts', 'accounts') }} as accounts
inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
where loads.is_current
