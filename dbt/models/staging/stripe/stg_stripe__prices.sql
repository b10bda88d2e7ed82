-- Grain: one row per Stripe price, its newest version known at the as-of time. Amounts are in
-- minor units with up to 12 places, as Stripe keeps them; null for a tiered price, which has none
-- of its own.
with

objects as (
    {{ stripe_objects_known('prices') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(
            raw,
            '{"id":"VARCHAR","product":"JSON","currency":"VARCHAR","active":"BOOLEAN",
              "billing_scheme":"VARCHAR","lookup_key":"VARCHAR","nickname":"VARCHAR",
              "unit_amount":"DECIMAL(38,12)","unit_amount_decimal":"DECIMAL(38,12)",
              "recurring":{"meter":"JSON","usage_type":"VARCHAR"},
              "created":"BIGINT","updated":"BIGINT"}'
        ) as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as price_id,
        {{ stripe_reference("fields['product']") }} as product_id,
        {{ stripe_reference("fields['recurring']['meter']") }} as meter_id,
        lower(fields['currency']) as currency,
        fields['billing_scheme'] as billing_scheme,
        fields['lookup_key'] as lookup_key,
        fields['nickname'] as nickname,
        coalesce(fields['unit_amount_decimal'], fields['unit_amount']) as unit_amount_minor,
        coalesce(fields['active'], true) as is_active,
        to_timestamp(fields['created']) as created_at,
        greatest(to_timestamp(fields['created']), to_timestamp(fields['updated'])) as own_latest_at,
        fetched_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('price_id') }}
)

select * exclude (own_latest_at, raw) from newest
