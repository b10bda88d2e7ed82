{{ config(materialized='table') }}
-- Grain: one stretch of a provider's totals (organisation, measure, window), and where it stands:
-- 'covered': the organisation has intervals in it, which are finer; 'overlapped': a stretch that counts
-- tells the same time; else 'counted', as usage. Nothing is counted twice (DECISIONS D34).
-- is_told: of the stretches that tell the same time this is the one to compare with (DECISIONS D61). Stretches
-- that are covered and those that are not are chosen from separately: what counts does not hang on the others.
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
                partition by provider, source_account, measure, is_covered order by step_start, step_end desc
                rows between unbounded preceding and 1 preceding
            ),
            false
        ) as touches_earlier,
        coalesce(
            step_end <= max(step_end) over (
                partition by provider, source_account, measure, is_covered order by step_start, step_end desc
                rows between unbounded preceding and 1 preceding
            ),
            false
        ) as is_inside
    from (
        select distinct provider, source_account, measure, is_covered, step_start, step_end
        from steps
    ) as distinct_windows
),

clustered as (
    select
        *,
        count(*) filter (not touches_earlier) over (
            partition by provider, source_account, measure, is_covered order by step_start, step_end desc
            rows unbounded preceding
        ) as cluster_number
    from windows
),

candidates as (
    select
        steps.provider,
        steps.source_account,
        steps.measure,
        steps.is_covered,
        clustered.cluster_number,
        struct_pack(
            step_start := steps.step_start, step_end := steps.step_end,
            window_start := steps.window_start, window_end := steps.window_end
        ) as stretch,
        row_number() over (
            partition by
                steps.provider, steps.source_account, steps.measure, steps.is_covered, clustered.cluster_number
            order by clustered.is_inside, steps.fetched_at desc, steps.window_start, steps.window_end desc
        ) as turn
    from steps
    inner join clustered using (provider, source_account, measure, is_covered, step_start, step_end)
),

-- In turn: each is kept unless one that is kept already tells of some of its time.
chosen as (
    select
        provider,
        source_account,
        measure,
        unnest({{ keep_disjoint('list(stretch order by turn)') }}, recursive := true) -- noqa: PRS
    from candidates
    group by provider, source_account, measure, is_covered, cluster_number
),

placed as (
    select
        steps.* exclude (is_covered, is_covered_whole),
        case
            when steps.is_covered then 'covered'
            when chosen.measure is null then 'overlapped'
            else 'counted'
        end as standing,
        steps.is_covered and not steps.is_covered_whole as is_partly_covered,
        chosen.measure is not null as is_chosen
    from steps
    left join chosen using (
        provider, source_account, measure, step_start, step_end, window_start, window_end
    )
),

-- Only one that is partly covered can tell the time of one that counts.
told_by_counted as (
    select distinct partly.provider, partly.source_account, partly.measure, partly.step_start, partly.step_end
    from placed as partly
    inner join placed as counted
        on partly.provider = counted.provider
        and partly.source_account = counted.source_account
        and partly.measure = counted.measure
        and partly.step_start < counted.step_end
        and partly.step_end > counted.step_start
    where partly.is_partly_covered and counted.standing = 'counted'
)

select
    placed.* exclude (is_chosen),
    placed.is_chosen and told_by_counted.measure is null as is_told
from placed
left join told_by_counted using (provider, source_account, measure, step_start, step_end)
