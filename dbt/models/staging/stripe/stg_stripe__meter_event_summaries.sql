-- Grain: one row per meter, customer and window, its newest version known at the as-of time. The
-- object of the API names no customer; whoever fetched it wrote the customer beside it. A summary
-- has no time of its own: between two versions with the same fetch time the greater text is taken.
with

objects as (
    {{ stripe_objects_known('meter_event_summaries') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(
            raw,
            '{"id":"VARCHAR","meter":"JSON","_meter":"JSON","meter_id":"JSON",
              "customer":"JSON","_customer":"JSON","customer_id":"JSON",
              "start_time":"BIGINT","end_time":"BIGINT","aggregated_value":"DECIMAL(38,12)"}'
        ) as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as summary_id,
        coalesce(
            {{ stripe_reference("fields['meter']") }},
            {{ stripe_reference("fields['_meter']") }},
            {{ stripe_reference("fields['meter_id']") }}
        ) as meter_id,
        coalesce(
            {{ stripe_reference("fields['customer']") }},
            {{ stripe_reference("fields['_customer']") }},
            {{ stripe_reference("fields['customer_id']") }}
        ) as customer_id,
        -- A JSON number: read from its text, because a detour over a float would lose digits.
        fields['aggregated_value'] as aggregated_value,
        to_timestamp(fields['start_time']) as window_start,
        to_timestamp(fields['end_time']) as window_end,
        cast(null as timestamptz) as own_latest_at,
        fetched_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('meter_id, customer_id, window_start, window_end') }}
)

select * exclude (own_latest_at, raw) from newest
