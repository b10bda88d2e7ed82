"""A file of late news: runs of July told weeks after, ends that were missing, and runs of today."""

from __future__ import annotations

from pathlib import Path

import duckdb

_RUNS = """
    create table run as
    with by_sandbox as (
        select
            sandbox_id,
            arg_max(event, "timestamp") filter (type not like '%updated') as last_event,
            max("timestamp") filter (type not like '%updated') as last_at,
            max(json_extract(event_data, '$.execution')) as execution
        from event group by sandbox_id
    ),
    -- Ends that never came: half an hour after the last start, of sandboxes with an earlier run.
    missing as (
        select last_event, sandbox_id, last_event.sandbox_execution_id as execution_id, execution,
            last_at as begun_at, last_at + interval 30 minutes as ended_at, false as tells_start
        from by_sandbox
        where last_event.type = 'sandbox.lifecycle.resumed' and last_at < '2026-08-01'
        order by md5(sandbox_id) limit {missing}
    ),
    -- One more run, a day after the last one.
    untold as (
        select last_event, sandbox_id, md5(sandbox_id || 'untold')::uuid::varchar, execution,
            last_at + interval 1 day, last_at + interval 1 day + interval 20 minutes, true
        from by_sandbox
        where last_event.type = 'sandbox.lifecycle.killed' and last_at < '2026-07-20'
        order by md5(sandbox_id) limit (({late}) - (select count(*) from missing)) // 2
    ),
    today as (
        select last_event, 'new-' || sandbox_id, md5(sandbox_id || 'today')::uuid::varchar,
            execution, begun_at, begun_at + interval 10 minutes, true
        from (
            select *, timestamptz '2026-09-01 10:00:00+00'
                + to_seconds(row_number() over (order by md5(sandbox_id))) as begun_at
            from by_sandbox
            where last_event.type = 'sandbox.lifecycle.killed' and last_at >= '2026-08-20'
        )
        order by begun_at limit {today} // 2
    )
    select * from missing union all select * from untold union all select * from today
"""

_DELIVERIES = """
    select
        happened_at as "timestamp",
        sandbox_id,
        execution_id as sandbox_execution_id,
        last_event.sandbox_template_id as sandbox_template_id,
        '' as sandbox_build_id,
        last_event.sandbox_team_id as sandbox_team_id,
        'lifecycle' as event_category,
        label as event_label,
        'sandbox.lifecycle.' || kind as type,
        'v2' as version,
        case
            when kind = 'killed' then json_object(
                'sandbox_metadata', json_extract(last_event.event_data, '$.sandbox_metadata'),
                'execution', json_merge_patch(execution, json_object(
                    'started_at', strftime(begun_at, '%Y-%m-%dT%H:%M:%SZ'),
                    'execution_time', (epoch_us(ended_at) - epoch_us(begun_at)) // 1000)))
            else json_object(
                'sandbox_metadata', json_extract(last_event.event_data, '$.sandbox_metadata'))
        end::varchar as event_data,
        md5(execution_id || kind || 'late')::uuid::varchar as id,
        7 as events_ttl_days
    from (
        select *, 'kill' as label, 'killed' as kind, ended_at as happened_at from run
        union all
        select *, 'resume', 'resumed', begun_at from run where tells_start
    )
    order by happened_at, id
"""


def write_late_events(events: Path, late: Path, records: int) -> int:
    """Write about `records` deliveries that `events` (Parquet) lacks; half of them are weeks late.

    Returns how many. A tenth at most are ends of runs that had none; the rest are whole runs, the
    late ones of sandboxes that had ended.
    """
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute(f"create view event as select * from read_parquet('{events}')")
        con.execute(
            _RUNS.format(missing=records // 10, late=records // 2, today=records - records // 2)
        )
        con.execute(f"copy ({_DELIVERIES}) to '{late}' (format parquet, compression zstd)")
        count = con.execute(f"select count(*) from read_parquet('{late}')").fetchall()
    return int(count[0][0])
