-- Grain: one row per Stripe billing meter, its newest version known at the as-of time.
with

objects as (
    {{ stripe_objects_known('meters') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(
            raw,
            '{"id":"VARCHAR","event_name":"VARCHAR","display_name":"VARCHAR","status":"VARCHAR",
              "event_time_window":"VARCHAR","default_aggregation":{"formula":"VARCHAR"},
              "status_transitions":{"deactivated_at":"BIGINT"},"created":"BIGINT","updated":"BIGINT"}'
        ) as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as meter_id,
        fields['event_name'] as event_name,
        fields['display_name'] as display_name,
        fields['status'] as status,
        fields['event_time_window'] as event_time_window,
        fields['default_aggregation']['formula'] as aggregation_formula,
        to_timestamp(fields['created']) as created_at,
        greatest(
            to_timestamp(fields['created']),
            to_timestamp(fields['updated']),
            to_timestamp(fields['status_transitions']['deactivated_at'])
        ) as own_latest_at,
        fetched_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('meter_id') }}
)

select * exclude (own_latest_at, raw) from newest
