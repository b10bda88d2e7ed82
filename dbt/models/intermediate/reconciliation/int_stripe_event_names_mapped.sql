-- Grain: one Stripe event name of the price book, with the meter whose usage it carries. A charge
-- may send its part of a meter under a name of its own; where two meters share a name, the first
-- by id stands for both, because Stripe adds them up.
with

charges as (
    select * from {{ ref('stg_pricebook__charges') }}
),

meters as (
    select * from {{ ref('stg_pricebook__meters') }}
),

named as (
    select
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as stripe_event_name,
        meters.meter_id,
        meters.source,
        meters.measure
    from charges
    inner join meters on charges.meter_id = meters.meter_id

    union all

    select
        stripe_event_name,
        meter_id,
        source,
        measure
    from meters
)

select
    stripe_event_name,
    min(meter_id) as meter_id,
    arg_min(source, meter_id) as source,
    arg_min(measure, meter_id) as measure
from named
where stripe_event_name <> ''
group by stripe_event_name
