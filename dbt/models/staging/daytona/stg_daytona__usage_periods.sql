-- Grain: one row of a dump: a usage period as that dump showed it. A period is known by its sandbox
-- and its start; its id is made anew when it is archived.
select
    load_seq,
    record_number,
    known_at,
    organization_id as source_account,
    sandbox_id,
    {{ utc_text('started_at') }} as execution_id,
    vcpu,
    memory_mib,
    disk_mib,
    gpu,
    region,
    started_at,
    ended_at,
    -- All that a dump says of the period; of two that are known at once an ended one sorts last.
    concat_ws(
        '|', coalesce(epoch_us(ended_at), -1), vcpu, memory_mib, disk_mib, coalesce(gpu, 0), gpu_type, region
    ) as content
from {{ source('daytona', 'daytona_usage_periods') }}
