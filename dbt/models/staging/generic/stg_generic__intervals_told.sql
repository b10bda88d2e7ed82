-- Grain: one row of an intervals/ file.
select
    load_seq,
    record_number,
    known_at,
    provider,
    account_ref as source_account,
    resource_id as sandbox_id,
    record_id as execution_id,
    region,
    started_at,
    ended_at,
    vcpu,
    memory_mib,
    disk_mib,
    gpu,
    concat_ws(
        '|', region, epoch_us(started_at), coalesce(epoch_us(ended_at), -1), coalesce(vcpu, -1),
        coalesce(memory_mib, -1), coalesce(disk_mib, -1), coalesce(gpu, -1)
    ) as content
from {{ source('generic', 'intervals') }}
