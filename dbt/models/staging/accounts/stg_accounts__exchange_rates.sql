-- Grain: one day and pair of currencies. A rate is known from the first instant of its day, UTC.
select
    rate_date,
    from_currency,
    to_currency,
    rate
from {{ source('billing_reference', 'exchange_rates') }}
where known_at <= {{ as_of() }} and {{ from_current_loads() }}
