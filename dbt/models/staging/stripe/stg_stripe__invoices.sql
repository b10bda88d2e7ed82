-- Grain: one row per Stripe invoice, its newest version known at the as-of time.
with

objects as (
    {{ stripe_objects_known('invoices') }}
),

parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(raw, '{{ stripe_invoice_fields() }}') as fields
    from objects
),

renamed as (
    select
        coalesce(fields['id'], object_id) as invoice_id,
        {{ stripe_reference("fields['customer']") }} as customer_id,
        coalesce(
            {{ stripe_reference("fields['parent']['subscription_details']['subscription']") }},
            {{ stripe_reference("fields['subscription']") }}
        ) as subscription_id,
        fields['number'] as invoice_number,
        lower(fields['currency']) as currency,
        fields['status'] as status,
        fields['billing_reason'] as billing_reason,
        fields['total'] as total_minor,
        to_timestamp(fields['period_start']) as period_start,
        to_timestamp(fields['period_end']) as period_end,
        to_timestamp(fields['created']) as created_at,
        to_timestamp(fields['status_transitions']['finalized_at']) as finalized_at,
        {{ stripe_invoice_own_latest_at() }} as own_latest_at,
        fetched_at,
        fields['amount_remaining'] as remaining_minor,
        to_timestamp(fields['due_date']) as due_at,
        coalesce(fields['attempted'], false) as is_attempted,
        to_timestamp(fields['status_transitions']['marked_uncollectible_at']) as uncollectible_at,
        raw
    from parsed
),

newest as (
    select *
    from renamed
    {{ newest_stripe_version('invoice_id') }}
)

select * exclude (own_latest_at, raw) from newest
