{{ config(materialized='table') }}
-- Grain: one resource and instant at which it was observed: the level that counts from then on,
-- and the row that tells it (none where a complete sample has no such prefix: it holds nothing).
-- Of several observations at one instant the newest fetched counts, then the larger content
-- (DECISIONS D35).
with

gauges as (
    select gauges.*, loads.content_sha256
    from {{ ref('stg_storage__gauges') }} as gauges
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where gauges.known_at <= {{ as_of() }}
),

-- Every sample has one row for objects of no project, its first: it stands for the sample itself.
prefixes as (
    select
        prefixes.*,
        loads.content_sha256,
        max(case when prefixes.is_rest then prefixes.record_number end) over (
            partition by prefixes.load_seq
            order by prefixes.record_number
            rows between unbounded preceding and current row
        ) as sample_number
    from {{ ref('stg_storage__prefixes') }} as prefixes
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where prefixes.known_at <= {{ as_of() }}
),

samples as (
    select
        owner,
        resource_id,
        kind,
        scope,
        load_seq,
        sample_number,
        sampled_at,
        fetched_at,
        sample_sha256,
        content_sha256
    from prefixes
    where is_rest
),

projects as (
    select
        owner,
        resource_id,
        min(sampled_at) as first_at
    from prefixes
    where not is_rest
    group by owner, resource_id
),

listed_prefixes as (
    select distinct
        owner,
        scope as prefix,
        length(scope) as prefix_length
    from samples
    where kind = 'listing'
),

prefix_lengths as (
    select distinct
        owner,
        prefix_length
    from listed_prefixes
),

-- Which samples see a project: a listing what its prefix covers; an inventory, whose filter is not
-- written anywhere, what its configuration has shown before.
seen_by as (
    select
        projects.owner,
        projects.resource_id,
        'listing' as kind,
        listed_prefixes.prefix as scope,
        projects.first_at
    from projects
    inner join prefix_lengths on projects.owner = prefix_lengths.owner
    inner join listed_prefixes
        on projects.owner = listed_prefixes.owner
        and prefix_lengths.prefix_length = listed_prefixes.prefix_length
        and substr(projects.resource_id, 1, prefix_lengths.prefix_length) = listed_prefixes.prefix
    union all
    select
        owner,
        resource_id,
        kind,
        scope,
        min(sampled_at) as first_at
    from prefixes
    where kind = 'inventory' and not is_rest
    group by owner, resource_id, kind, scope
),

looked_at as (
    select
        samples.* exclude (resource_id),
        seen_by.resource_id,
        false as is_rest
    from samples
    inner join seen_by
        on samples.owner = seen_by.owner
        and samples.kind = seen_by.kind
        and samples.scope = seen_by.scope
        and samples.sampled_at >= seen_by.first_at
    union all
    select
        samples.* exclude (resource_id),
        samples.resource_id,
        true as is_rest
    from samples
),

account_references as (
    select distinct
        owner,
        resource_id,
        is_rest,
        account_reference
    from prefixes
),

observed as (
    select
        'bucket' as resource_kind,
        looked_at.owner,
        looked_at.resource_id,
        looked_at.is_rest,
        account_references.account_reference,
        looked_at.sampled_at,
        looked_at.fetched_at,
        looked_at.sample_sha256 as content,
        looked_at.content_sha256,
        looked_at.sample_number,
        looked_at.load_seq,
        prefixes.record_number,
        coalesce(prefixes.bytes, 0) as bytes,
        coalesce(prefixes.objects, 0) as objects
    from looked_at
    inner join account_references using (owner, resource_id, is_rest)
    left join prefixes
        on looked_at.load_seq = prefixes.load_seq
        and looked_at.sample_number = prefixes.sample_number
        and looked_at.resource_id = prefixes.resource_id
        and looked_at.is_rest = prefixes.is_rest
    union all
    select
        'gauge' as resource_kind,
        owner,
        resource_id,
        false as is_rest,
        account_reference,
        sampled_at,
        fetched_at,
        lpad(cast(bytes as varchar), 20, '0') as content,
        content_sha256,
        record_number as sample_number,
        load_seq,
        record_number,
        bytes,
        1 as objects
    from gauges
),

ranked as (
    select
        *,
        row_number() over (
            partition by resource_kind, owner, resource_id, is_rest, sampled_at
            order by fetched_at desc, content desc, content_sha256 asc, sample_number asc
        ) as rank_at_instant
    from observed
)

select * exclude (content, content_sha256, sample_number, fetched_at, rank_at_instant)
from ranked
where rank_at_instant = 1
