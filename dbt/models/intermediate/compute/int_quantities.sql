{{ config(materialized='table') }}
-- Grain: one already measured quantity, with its account. It belongs whole to the instant at which its
-- window starts: splitting a measured amount would invent precision (DECISIONS.md).
select
    quantities.record_id,
    quantities.load_seq,
    quantities.record_number,
    assignments.account_id,
    quantities.meter_id,
    quantities.dimensions,
    quantities.started_at as used_at,
    quantities.quantity
from {{ ref('stg_generic__quantities') }} as quantities
anti join {{ ref('stg_generic__quantities_set_aside') }} as set_aside
    on quantities.load_seq = set_aside.load_seq and quantities.record_number = set_aside.record_number
inner join {{ ref('int_account_assignments') }} as assignments
    on quantities.account_reference = assignments.account_reference
    and quantities.started_at >= assignments.valid_from
    and quantities.started_at < assignments.valid_to
where quantities.known_at <= {{ as_of() }}
