-- Grain: one answer of Stripe to one attempt to send an intent, of those given by the as-of time.
select
    answer_id,
    intent_id,
    state,
    cast("at" as timestamptz) as answered_at,
    http_status,
    request_id,
    message
from {{ source('ledger', 'ledger_answers') }}
where cast("at" as timestamptz) <= {{ as_of() }}
