-- Grain: plan version and charge; key (plan_id, plan_version, charge_key). Source of truth: the
-- price book's versions that had been published by the as-of time, and the exchange rates by which
-- statements are converted: a version once more for each (DECISIONS D59).
select
    versions.plan_id,
    versions.plan_version,
    charges.charge_key,
    charges.meter_id,
    charges.model,
    charges.properties,
    versions.currency,
    versions.valid_from,
    versions.valid_to,
    versions.plan_name,
    charges.where_dimensions,
    charges.included_quantity,
    charges.percentage_discount,
    coalesce(charges.stripe_event_name, meters.stripe_event_name) as stripe_event_name,
    meters.unit,
    case when versions.exchange_rate is null then versions.currency else versions.plan_currency end
        as price_currency,
    versions.exchange_rate
from {{ ref('int_price_versions') }} as versions
inner join {{ ref('int_price_charges') }} as charges using (plan_id, plan_version)
inner join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
