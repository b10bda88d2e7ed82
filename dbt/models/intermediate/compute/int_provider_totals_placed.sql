{{ config(materialized='table') }}
-- Grain: one stretch of a provider's totals (organisation, measure, window), and where it stands:
-- 'covered': the organisation has intervals in it, which are finer; 'overlapped': a stretch that counts
-- tells the same time; else 'counted', as usage. Nothing is counted twice (DECISIONS D34).
with

-- From an organisation's first interval to its last: what lies between was not used.
covered as (
    select intervals.provider, intervals.source_account, min(started_at) as first_at, max(ended_at) as last_at
    from {{ ref('int_compute_intervals') }} as intervals
    semi join {{ ref('stg_daytona__usage_steps') }} using (provider, source_account)
    where intervals.us > 0
    group by intervals.provider, intervals.source_account
),

steps as (
    select
        steps.*,
        coalesce(steps.step_start < covered.last_at and steps.step_end > covered.first_at, false) as is_covered,
        coalesce(steps.step_start >= covered.first_at and steps.step_end <= covered.last_at, false)
            as is_covered_whole
    from {{ ref('stg_daytona__usage_steps') }} as steps
    left join covered using (provider, source_account)
),

-- Stretches that touch each other's time form a cluster; most are alone in theirs.
windows as (
    select
        *,
        coalesce(
            step_start < max(step_end) over (
                partition by provider, source_account, measure order by step_start, step_end desc
                rows between unbounded preceding and 1 preceding
            ),
            false
        ) as touches_earlier,
        coalesce(
            step_end <= max(step_end) over (
                partition by provider, source_account, measure order by step_start, step_end desc
                rows between unbounded preceding and 1 preceding
            ),
            false
        ) as is_inside
    from (
        select distinct provider, source_account, measure, step_start, step_end
        from steps
        where not is_covered
    ) as distinct_windows
),

clustered as (
    select
        *,
        count(*) filter (not touches_earlier) over (
            partition by provider, source_account, measure order by step_start, step_end desc
            rows unbounded preceding
        ) as cluster_number
    from windows
),

candidates as (
    select
        steps.provider,
        steps.source_account,
        steps.measure,
        clustered.cluster_number,
        struct_pack(
            step_start := steps.step_start, step_end := steps.step_end,
            window_start := steps.window_start, window_end := steps.window_end
        ) as stretch,
        row_number() over (
            partition by steps.provider, steps.source_account, steps.measure, clustered.cluster_number
            order by clustered.is_inside, steps.fetched_at desc, steps.window_start, steps.window_end desc
        ) as turn
    from steps
    inner join clustered using (provider, source_account, measure, step_start, step_end)
    where not steps.is_covered
),

-- In turn: each counts unless one that counts already tells of some of its time.
chosen as (
    select
        provider,
        source_account,
        measure,
        unnest({{ keep_disjoint('list(stretch order by turn)') }}, recursive := true) -- noqa: PRS
    from candidates
    group by provider, source_account, measure, cluster_number
)

select
    steps.* exclude (is_covered, is_covered_whole),
    case
        when steps.is_covered then 'covered'
        when chosen.measure is null then 'overlapped'
        else 'counted'
    end as standing,
    steps.is_covered and not steps.is_covered_whole as is_partly_covered
from steps
left join chosen using (
    provider, source_account, measure, step_start, step_end, window_start, window_end
)
