{{ config(materialized='table') }}
-- Grain: one stretch of time for which a resource is taken to hold a level, in one account. A level
-- holds until the next observation; what is more than storage_max_gap_hours after its own is
-- inferred up to the next one, and not counted where there is none (DECISIONS D35).
{%- set gap = "interval '" ~ var('storage_max_gap_hours') ~ " hours'" %}
with

followed as (
    select
        *,
        lead(sampled_at) over (
            partition by resource_kind, owner, resource_id, is_rest order by sampled_at
        ) as next_at
    from {{ ref('stg_storage__points') }}
),

held as (
    select
        * exclude (next_at),
        sampled_at as held_from,
        least(coalesce(next_at, {{ as_of() }}), sampled_at + {{ gap }}) as held_until,
        case when next_at is null then 'open' else 'observed' end as evidence,
        case
            when next_at is null and sampled_at + {{ gap }} < {{ as_of() }} then 'sample_too_old'
        end as issue
    from followed
    union all
    select
        * exclude (next_at),
        sampled_at + {{ gap }} as held_from,
        next_at as held_until,
        'inferred' as evidence,
        'samples_far_apart' as issue
    from followed
    where next_at > sampled_at + {{ gap }}
)

select
    held.resource_kind,
    held.owner,
    held.resource_id,
    held.is_rest,
    held.load_seq,
    held.record_number,
    held.sampled_at,
    assignments.account_id,
    greatest(held.held_from, assignments.valid_from) as started_at,
    least(greatest(held.held_until, held.held_from), assignments.valid_to) as ended_at,
    held.bytes,
    held.objects,
    held.evidence,
    case when held.bytes > 0 then held.issue end as issue
from held
inner join {{ ref('int_account_assignments') }} as assignments
    on held.account_reference = assignments.account_reference
    and held.held_from < assignments.valid_to
    and (
        held.held_until > assignments.valid_from
        or (held.held_until <= held.held_from and held.held_from >= assignments.valid_from)
    )
