-- Grain: account, Stripe event name (a meter on provider_warehouse), billing period, leg, cause: one named
-- cause of a difference. Source of truth: both sides of a leg as int_reconciliation_legs_compared has
-- them. Deltas are right side less left side: what the later system holds too much (above zero) or too
-- little.
select
    account_id,
    meter_id,
    period_start,
    period_end,
    leg,
    cause,
    quantity_delta,
    amount_delta_minor,
    evidence,
    stripe_event_name
from {{ ref('int_reconciliation_causes_chosen') }}

union all

select
    account_id,
    meter_id,
    period_start,
    period_end,
    leg,
    cause,
    quantity_delta,
    amount_delta_minor,
    evidence,
    stripe_event_name
from {{ ref('int_provider_causes_chosen') }}
