-- Grain: one quantity of an approved statement that is to reach Stripe.
select
    intent_id,
    approval_id,
    statement_id,
    account_id,
    meter_id,
    stripe_event_name,
    stripe_customer_id,
    cast(period_start as timestamptz) as period_start,
    cast(period_end as timestamptz) as period_end,
    cast(value as decimal(38, 12)) as quantity,
    cast(event_timestamp as bigint) as event_timestamp,
    identifier,
    idempotency_key,
    cast(created_at as timestamptz) as created_at
from {{ source('ledger', 'ledger_intents') }}
where
    approval_id in (
        select approvals.approval_id from {{ ref('stg_ledger__approvals') }} as approvals
    )
    and cast(created_at as timestamptz) <= {{ as_of() }}
