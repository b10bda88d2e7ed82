-- Grain: one row of a quantities/ file that must not count: a repetition, an older state, or any row of a
-- record that a correction voids.
with

told as (
    select
        quantities.*,
        loads.content_sha256,
        coalesce(corrections.action = 'void', false) as is_voided
    from {{ ref('stg_generic__quantities') }} as quantities
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    left join {{ ref('stg_corrections__applied') }} as corrections using (record_id)
    where quantities.known_at <= {{ as_of() }}
),

ranked as (
    select
        *,
        row_number() over newest_first as state_number,
        first_value(content) over newest_first as newest_content
    from told
    window newest_first as (
        partition by record_id
        order by known_at desc, content desc, content_sha256, record_number
    )
)

select
    load_seq,
    record_number,
    record_id,
    case when content = newest_content and not is_voided then 'duplicate' else 'superseded' end as disposition
from ranked
where state_number > 1 or is_voided
