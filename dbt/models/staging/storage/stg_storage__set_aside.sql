-- Grain: one row of gauges/ or storage/ that must not count: another of the same resource and
-- instant does. A repetition of it is a duplicate.
with

told as (
    select
        'gauge' as resource_kind,
        load_seq,
        record_number,
        known_at,
        owner,
        resource_id,
        false as is_rest,
        sampled_at,
        1 as objects,
        bytes
    from {{ ref('stg_storage__gauges') }}
    union all
    select
        'bucket' as resource_kind,
        load_seq,
        record_number,
        known_at,
        owner,
        resource_id,
        is_rest,
        sampled_at,
        objects,
        bytes
    from {{ ref('stg_storage__prefixes') }}
)

select
    told.load_seq,
    told.record_number,
    case
        when told.bytes = points.bytes and told.objects = points.objects then 'duplicate'
        else 'superseded'
    end as disposition
from told
inner join {{ ref('stg_storage__points') }} as points
    using (resource_kind, owner, resource_id, is_rest, sampled_at)
where
    told.known_at <= {{ as_of() }}
    and (
        told.load_seq <> points.load_seq
        or told.record_number is distinct from points.record_number
    )
