{{ config(materialized='table') }}
-- Grain: answer, sandbox ('': the organisation as a whole) and measure that the answer tells, in our
-- units. Of the answers about the same window the one fetched last counts, value by value: what an
-- answer does not tell is not zero (DECISIONS D34). GB means GiB unless a factor says otherwise.
{%- set gib_per_gb = "cast('" ~ var('daytona_gib_per_gb') ~ "' as decimal(38, 18))" %}
with

answers as (
    select
        polls.*,
        loads.content_sha256,
        unnest(from_json(polls.totals, '[{
            "sandbox_id": "VARCHAR", "cpu_core_seconds": "VARCHAR", "ram_gb_seconds": "VARCHAR",
            "disk_gb_seconds": "VARCHAR", "gpu_core_seconds": "VARCHAR"
        }]')) as told
    from {{ ref('stg_daytona__polls') }} as polls
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
    where polls.known_at <= {{ as_of() }} and not polls.is_warm_pool
),

typed as (
    select
        * exclude (told),
        told.sandbox_id,
        cast(told.cpu_core_seconds as decimal(38, 18)) as cpu_core_seconds,
        cast(told.ram_gb_seconds as decimal(38, 18)) as ram_gb_seconds,
        cast(told.disk_gb_seconds as decimal(38, 18)) as disk_gb_seconds,
        cast(told.gpu_core_seconds as decimal(38, 18)) as gpu_core_seconds
    from answers
),

measured as (
    select *, 'cpu_core_seconds' as measure, cpu_core_seconds as amount
    from typed
    union all
    select *, 'ram_gibi_seconds' as measure, {{ multiply_exactly('ram_gb_seconds', gib_per_gb) }} as amount
    from typed
    union all
    select *, 'ssd_gibi_seconds' as measure, {{ multiply_exactly('disk_gb_seconds', gib_per_gb) }} as amount
    from typed
    union all
    select *, 'gpu_core_seconds' as measure, gpu_core_seconds as amount
    from typed
)

select
    load_seq,
    record_number,
    source,
    source_account,
    window_start,
    window_end,
    sandbox_id,
    measure,
    fetched_at,
    cast(amount as decimal(38, 16)) as quantity,
    row_number() over (
        partition by source_account, source, window_start, window_end, sandbox_id, measure
        order by fetched_at desc, content desc, content_sha256, record_number
    ) = 1 as is_newest
from measured
where amount is not null
