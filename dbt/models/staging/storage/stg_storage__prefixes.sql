-- Grain: one row of a sample of a bucket: a project prefix, or all objects of no project (is_rest).
-- A project without a link, and objects of no project, resolve to no account.
select
    load_seq,
    record_number,
    known_at,
    kind,
    bucket as owner,
    resource_prefix as resource_id,
    project_id is null as is_rest,
    cast(to_json([null, null, project_id]) as varchar) as account_reference,
    scope,
    prefix,
    sample_sha256,
    sampled_at,
    coalesce(fetched_at, sampled_at) as fetched_at,
    objects,
    bytes
from {{ source('storage', 'storage_samples') }}
