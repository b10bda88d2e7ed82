-- Grain: one Stripe subscription whose metadata names a plan of the price book, its newest version known
-- at the as-of time (DECISIONS D49). One whose first payment never came (incomplete) never began.
with

objects as (
    {{ stripe_objects_known('subscriptions') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(
            raw,
            '{"id":"VARCHAR","customer":"JSON","status":"VARCHAR","created":"BIGINT","start_date":"BIGINT",
              "ended_at":"BIGINT","canceled_at":"BIGINT","current_period_start":"BIGINT",
              "billing_cycle_anchor":"BIGINT","trial_end":"BIGINT","metadata":{"plan_id":"VARCHAR"}}'
        ) as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as subscription_id,
        {{ stripe_reference("fields['customer']") }} as customer_id,
        nullif(trim(fields['metadata']['plan_id']), '') as plan_id,
        coalesce(fields['status'], '') as status,
        to_timestamp(coalesce(fields['start_date'], fields['created'])) as started_at,
        to_timestamp(fields['ended_at']) as ended_at,
        to_timestamp(fields['billing_cycle_anchor']) as billing_anchor_at,
        to_timestamp(fields['trial_end']) as trial_ends_at,
        to_timestamp(greatest(
            fields['created'], fields['current_period_start'], fields['canceled_at'], fields['ended_at']
        )) as own_latest_at,
        fetched_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('subscription_id', finality='ended_at is not null') }}
)

select * exclude (own_latest_at, raw, status)
from newest
where plan_id is not null and status not in ('incomplete', 'incomplete_expired')
