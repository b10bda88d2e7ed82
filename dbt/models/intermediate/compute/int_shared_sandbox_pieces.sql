{{ config(materialized='table') }}
-- Grain: one piece of an interval of a sandbox that two sources tell of. Where two tell the same time, the
-- source that is named first in `interval_sources` counts, and the other's piece does not (DECISIONS D42).
-- An interval of which nothing counts keeps a piece of no length, which tells why its record bills nothing.
{%- set key = 'record_source, provider, source_account, sandbox_id, execution_id, told_start' %}
with

intervals as (
    select
        *,
        started_at as told_start,
        list_position({{ var('interval_sources') }}, record_source) as place
    from {{ ref('int_compute_intervals') }}
    where is_shared
),

-- Of the same sandbox: of one account of the provider, or of one account of ours.
covers as (
    select
        losing.record_source,
        losing.provider,
        losing.source_account,
        losing.sandbox_id,
        losing.execution_id,
        losing.told_start,
        greatest(losing.started_at, winning.started_at) as cover_start,
        least(losing.ended_at, winning.ended_at) as cover_end
    from intervals as losing
    inner join intervals as winning
        on losing.provider = winning.provider
        and losing.sandbox_id = winning.sandbox_id
        and losing.place > winning.place
        and losing.started_at < winning.ended_at
        and losing.ended_at > winning.started_at
        and (
            losing.source_account = winning.source_account
            or (losing.account_id = winning.account_id and losing.account_id <> 'unattributed')
        )
    where losing.us > 0 and winning.us > 0
),

-- Covers that touch become one.
numbered as (
    select
        *,
        sum(case when cover_start <= reached then 0 else 1 end) over (
            partition by {{ key }} order by cover_start, cover_end rows unbounded preceding
        ) as stretch_number
    from (
        select
            *,
            max(cover_end) over (
                partition by {{ key }} order by cover_start, cover_end
                rows between unbounded preceding and 1 preceding
            ) as reached
        from covers
    ) as in_order
),

covered as (
    select {{ key }}, min(cover_start) as cover_start, max(cover_end) as cover_end
    from numbered
    group by {{ key }}, stretch_number
),

-- Before each covered stretch and after the last.
uncovered as (
    select
        {{ key }},
        coalesce(lag(cover_end) over (partition by {{ key }} order by cover_start), told_start) as piece_start,
        cover_start as piece_end
    from covered
    union all
    select
        {{ key }},
        max(covered.cover_end) as piece_start,
        max(intervals.ended_at) as piece_end
    from covered
    inner join intervals using ({{ key }})
    group by {{ key }}
),

pieces as (
    select {{ key }}, piece_start, piece_end, true as is_counted
    from uncovered
    where piece_start < piece_end
    union all
    select {{ key }}, told_start as piece_start, told_start as piece_end, true as is_counted
    from uncovered
    group by {{ key }}
    having bool_and(piece_start >= piece_end)
    union all
    select {{ key }}, cover_start as piece_start, cover_end as piece_end, false as is_counted
    from covered
)

select intervals.* exclude (told_start, place), true as is_counted
from intervals
anti join covered using ({{ key }})

union all

select
    intervals.* exclude (told_start, place) replace (
        pieces.piece_start as started_at,
        pieces.piece_end as ended_at,
        epoch_us(pieces.piece_end) - epoch_us(pieces.piece_start) as us,
        concat_ws(',', intervals.issues, 'told_by_another_source') as issues,
        case when pieces.piece_end = intervals.ended_at then intervals.paused_until end as paused_until
    ),
    pieces.is_counted
from pieces
inner join intervals using ({{ key }})
