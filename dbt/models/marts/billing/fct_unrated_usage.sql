-- Grain: subscription, period, plan version, meter and dimensions. Usage that nothing priced,
-- although the plan charges for its meter: money that is not being asked for until the price book
-- names it.
select
    account_id,
    subscription_id,
    period_start,
    period_end,
    meter_id,
    dimensions,
    quantity,
    'no charge of the plan matches these dimensions' as reason,
    plan_id,
    plan_version
from {{ ref('int_unrated_usage') }}
