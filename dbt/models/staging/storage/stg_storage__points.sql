{{ config(materialized='table') }}
-- Grain: one resource and instant at which it was observed: the level that counts from then on, and the
-- row that tells it (none where a complete sample has no such prefix: then it holds nothing).
-- Of several observations at one instant the newest fetched counts, then the larger content
-- (DECISIONS D35).
with

gauges as (
    select gauges.*, loads.content_sha256
    from {{ ref('stg_storage__gauges') }} as gauges
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where gauges.known_at <= {{ as_of() }}
),

prefixes as (
    select prefixes.*, loads.content_sha256
    from {{ ref('stg_storage__prefixes') }} as prefixes
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where prefixes.known_at <= {{ as_of() }}
),

-- Every sample has one row for objects of no project: it stands for the sample itself.
samples as (
    select
        load_seq, record_number as sample_number, owner, kind, scope, prefix, sampled_at, fetched_at, sample_sha256,
        content_sha256
    from prefixes
    where is_rest
),

resources as (
    select owner, resource_id, is_rest, account_reference, min(sampled_at) as first_at
    from prefixes
    group by owner, resource_id, is_rest, account_reference
),

prefix_lengths as (
    select distinct owner, prefix, length(prefix) as prefix_length from samples where kind = 'listing'
),

-- Which samples see a resource: a listing what its prefix covers; an inventory, whose filter is not
-- written anywhere, what its configuration has shown before; objects of no project their own prefix.
listed as (
    select resources.owner, resources.resource_id, lengths.prefix as scope, 'listing' as kind, resources.first_at
    from resources
    inner join (select distinct owner, prefix_length from prefix_lengths) as every_length
        on resources.owner = every_length.owner
    inner join prefix_lengths as lengths
        on resources.owner = lengths.owner
        and every_length.prefix_length = lengths.prefix_length
        and substr(resources.resource_id, 1, every_length.prefix_length) = lengths.prefix
    where not resources.is_rest
),

inventoried as (
    select owner, resource_id, scope, 'inventory' as kind, min(sampled_at) as first_at
    from prefixes
    where kind = 'inventory' and not is_rest
    group by owner, resource_id, scope
),

seen as (
    select
        samples.owner, every_seen.resource_id, false as is_rest, samples.load_seq, samples.sample_number,
        samples.sampled_at, samples.fetched_at, samples.sample_sha256, samples.content_sha256
    from samples
    inner join (select * from listed union all select * from inventoried) as every_seen
        on samples.owner = every_seen.owner
        and samples.kind = every_seen.kind
        and samples.scope = every_seen.scope
        and samples.sampled_at >= every_seen.first_at
    union all
    select owner, prefix, true, load_seq, sample_number, sampled_at, fetched_at, sample_sha256, content_sha256
    from samples
),

numbered as (
    select
        *,
        -- Rows of a sample follow its first one, up to the next sample of the file.
        max(case when is_rest then record_number end) over (
            partition by load_seq order by record_number rows between unbounded preceding and current row
        ) as sample_number
    from prefixes
),

observed as (
    select
        'bucket' as resource_kind,
        seen.owner,
        seen.resource_id,
        seen.is_rest,
        resources.account_reference,
        seen.sampled_at,
        seen.fetched_at,
        seen.sample_sha256 as content,
        seen.content_sha256,
        seen.load_seq,
        seen.sample_number,
        rows.record_number,
        coalesce(rows.bytes, 0) as bytes,
        coalesce(rows.objects, 0) as objects
    from seen
    inner join resources using (owner, resource_id, is_rest)
    left join numbered as rows
        on seen.load_seq = rows.load_seq
        and seen.sample_number = rows.sample_number
        and seen.resource_id = rows.resource_id
        and seen.is_rest = rows.is_rest
    union all
    select
        'gauge', owner, resource_id, false, account_reference, sampled_at, fetched_at,
        lpad(cast(bytes as varchar), 20, '0'), content_sha256, load_seq, record_number, record_number, bytes, 1
    from gauges
)

select * exclude (sample_number)
from observed
qualify row_number() over (
    partition by resource_kind, owner, resource_id, is_rest, sampled_at
    order by fetched_at desc, content desc, content_sha256, sample_number
) = 1
