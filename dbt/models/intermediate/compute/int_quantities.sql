{{ config(materialized='table') }}
-- Grain: one already measured quantity, with its account. It belongs whole to the instant at which its
-- window starts: splitting a measured amount would invent precision (DECISIONS.md). A provider's total
-- of a measure goes to every meter of that measure, and names its provider. A correction may say another
-- quantity than the record (DECISIONS D41).
-- depends_on: {{ ref('int_provider_quantities_before') }}
select
    quantities.record_id,
    quantities.load_seq,
    quantities.record_number,
    assignments.account_id,
    quantities.meter_id,
    quantities.dimensions,
    quantities.started_at as used_at,
    coalesce(corrections.quantity, quantities.quantity) as quantity,
    cast(null as varchar) as provider
from {{ ref('stg_generic__quantities') }} as quantities
anti join {{ ref('stg_generic__quantities_set_aside') }} as set_aside
    on quantities.load_seq = set_aside.load_seq and quantities.record_number = set_aside.record_number
inner join {{ ref('int_account_assignments') }} as assignments
    on quantities.account_reference = assignments.account_reference
    and quantities.started_at >= assignments.valid_from
    and quantities.started_at < assignments.valid_to
left join {{ ref('stg_corrections__applied') }} as corrections on quantities.record_id = corrections.record_id
where quantities.known_at <= {{ as_of() }}

union all

select
    cast(to_json([
        totals.provider, totals.source_account, meters.meter_id, {{ utc_text('totals.window_start') }},
        {{ utc_text('totals.window_end') }}
    ]) as varchar) as record_id,
    cast(null as integer) as load_seq,
    cast(null as integer) as record_number,
    assignments.account_id,
    meters.meter_id,
    cast(to_json(struct_pack(provider := totals.provider)) as varchar) as dimensions,
    totals.step_start as used_at,
    totals.quantity,
    totals.provider
from {{ ref('int_provider_totals_placed') }} as totals
inner join {{ ref('stg_pricebook__meters') }} as meters
    on meters.source = 'compute' and totals.measure = meters.measure
inner join {{ ref('int_account_assignments') }} as assignments
    on totals.account_reference = assignments.account_reference
    and totals.step_start >= assignments.valid_from
    and totals.step_start < assignments.valid_to
where totals.standing = 'counted' and totals.quantity <> 0
