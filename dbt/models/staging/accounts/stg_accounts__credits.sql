-- Grain: one credit granted to an account, known from when it is effective on (DECISIONS D55).
select
    credit_id,
    account_id,
    cast(amount as decimal(38, 18)) as amount,
    {{ to_minor('amount', 'currency') }} as amount_minor,
    lower(currency) as currency,
    category,
    coalesce(priority, 50) as priority,
    effective_at,
    expires_at,
    nullif(meter_id, '') as meter_id
from {{ source('billing_reference', 'credits') }}
where {{ from_current_loads() }} and coalesce(effective_at <= {{ as_of() }}, true)
