-- Grain: one line of an approved statement, as it was approved.
select
    approval_id,
    charge_id,
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    charge_key,
    meter_id,
    cast(period_start as timestamptz) as period_start,
    cast(period_end as timestamptz) as period_end,
    charge_class,
    cast(quantity as decimal(38, 12)) as quantity,
    cast(amount as decimal(38, 18)) as amount,
    cast(amount_minor as bigint) as amount_minor,
    currency,
    corrects_charge_id,
    stripe_event_name
from {{ source('ledger', 'ledger_lines') }}
where approval_id in (
        select approvals.approval_id from {{ ref('stg_ledger__approvals') }} as approvals
    )
