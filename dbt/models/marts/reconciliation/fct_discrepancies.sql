-- Grain: account, Stripe event name (a meter on provider_warehouse), billing period, leg, cause: one named
-- cause of a difference. Source of truth: both sides of a leg as int_reconciliation_legs_compared has
-- them. Deltas are right side less left side: what the later system holds too much (above zero) or too
-- little.
select
    causes.account_id,
    causes.meter_id,
    causes.period_start,
    causes.period_end,
    causes.leg,
    causes.cause,
    causes.quantity_delta,
    causes.amount_delta_minor,
    causes.evidence,
    causes.stripe_event_name,
    sides.currency
from {{ ref('int_reconciliation_causes_chosen') }} as causes
inner join {{ ref('int_reconciliation_sides_joined') }} as sides
    on causes.account_id = sides.account_id
    and causes.stripe_event_name = sides.stripe_event_name
    and causes.period_start = sides.period_start
    and causes.period_end = sides.period_end

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
    stripe_event_name,
    cast(null as varchar) as currency
from {{ ref('int_provider_causes_chosen') }}
