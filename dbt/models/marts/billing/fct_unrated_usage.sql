-- Grain: subscription, period, plan version, meter, dimensions and reason. Usage that nothing priced,
-- although the plan charges for its meter: money that is not being asked for, in a trial or until the
-- price book names it.
select
    account_id,
    subscription_id,
    period_start,
    period_end,
    meter_id,
    dimensions,
    quantity,
    reason,
    plan_id,
    plan_version
from {{ ref('int_unrated_usage') }}
