-- Grain: one row per invoice and line, its newest version known at the as-of time.
-- A line comes from its own export or inside its invoice, whichever was fetched last. Drafts are
-- computed again and again: when the newest version of an invoice carries all of its lines, a line
-- that is not among them and was not fetched later is gone from the invoice and left out here.
with

invoice_objects as (
    {{ stripe_objects_known('invoices') }}
),

line_objects as (
    {{ stripe_objects_known('invoice_line_items') }}
),

invoices_parsed as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(raw, '{{ stripe_invoice_fields() }}') as fields
    from invoice_objects
),

invoice_versions as (
    select
        coalesce(fields['id'], object_id) as invoice_id,
        fields['lines']['has_more'] is false as is_complete,
        fields['lines']['data'] as lines,
        {{ stripe_invoice_own_latest_at() }} as own_latest_at,
        fetched_at,
        raw
    from invoices_parsed
),

invoices as (
    select *
    from invoice_versions
    {{ newest_stripe_version('invoice_id') }}
),

carried_lines as (
    select
        invoices.invoice_id,
        unnest(invoices.lines) as fields,
        null as object_id,
        invoices.own_latest_at,
        invoices.fetched_at,
        'carried' as raw
    from invoices
),

exported_fields as (
    select
        raw,
        object_id,
        fetched_at,
        json_transform(raw, '{{ stripe_invoice_line_fields() }}') as fields
    from line_objects
),

exported_lines as (
    select
        coalesce(
            {{ stripe_reference("fields['invoice']") }},
            {{ stripe_reference("fields['invoice_id']") }}
        ) as invoice_id,
        fields,
        object_id,
        cast(null as timestamptz) as own_latest_at,
        fetched_at,
        raw
    from exported_fields
),

all_lines as (
    select * from carried_lines
    union all
    select * from exported_lines
),

identified as (
    select
        *,
        coalesce(fields['unique_id'], fields['id'], object_id) as line_id
    from all_lines
),

newest as (
    select *
    from identified
    {{ newest_stripe_version('invoice_id, line_id') }}
),

standing as (
    select newest.*
    from newest
    left join invoices on newest.invoice_id = invoices.invoice_id
    where
        newest.raw = 'carried'
        or not coalesce(invoices.is_complete, false)
        or coalesce(newest.fetched_at > invoices.fetched_at, newest.fetched_at is not null)
        or exists (
            select 1
            from carried_lines as carried
            where
                carried.invoice_id = newest.invoice_id
                and coalesce(carried.fields['unique_id'], carried.fields['id']) = newest.line_id
        )
),

renamed as (
    select
        invoice_id,
        line_id,
        coalesce(
            {{ stripe_reference("fields['pricing']['price_details']['price']") }},
            {{ stripe_reference("fields['price']") }},
            {{ stripe_reference("fields['plan']") }}
        ) as price_id,
        coalesce(
            fields['price'] ->> '$.recurring.meter',
            fields['plan'] ->> '$.meter'
        ) as meter_id,
        lower(fields['currency']) as currency,
        coalesce(fields['quantity_decimal'], fields['quantity']) as quantity,
        -- The plain `quantity` is cut to whole units; exports before 2026-03-25 have nothing else.
        fields['quantity_decimal'] is null as is_quantity_truncated,
        fields['amount'] as amount_minor,
        coalesce(
            fields['pricing']['unit_amount_decimal'],
            try_cast(fields['price'] ->> '$.unit_amount_decimal' as decimal(38, 12)),
            try_cast(fields['price'] ->> '$.unit_amount' as decimal(38, 12)),
            try_cast(fields['plan'] ->> '$.amount_decimal' as decimal(38, 12)),
            try_cast(fields['plan'] ->> '$.amount' as decimal(38, 12))
        ) as unit_amount_minor,
        to_timestamp(fields['period']['start']) as period_start,
        to_timestamp(fields['period']['end']) as period_end,
        fetched_at
    from standing
)

select * from renamed
