-- Grain: one row per Stripe customer, its newest version known at the as-of time.
with

objects as (
    {{ stripe_objects_known('customers') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(
            raw,
            '{"id":"VARCHAR","created":"BIGINT","updated":"BIGINT","deleted":"BOOLEAN",
              "is_deleted":"BOOLEAN","currency":"VARCHAR"}'
        ) as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as customer_id,
        lower(fields['currency']) as currency,
        coalesce(fields['deleted'], false) or coalesce(fields['is_deleted'], false) as is_deleted,
        to_timestamp(fields['created']) as created_at,
        greatest(to_timestamp(fields['created']), to_timestamp(fields['updated'])) as own_latest_at,
        fetched_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('customer_id', finality='is_deleted') }}
)

select * exclude (own_latest_at, raw) from newest
