"""E2B lifecycle events in landing-zone form, generated in SQL so that a million take seconds.

Every value is a pure function of a row's number (DuckDB's md5, never its random()), so the same
size gives the same files. The population follows the usual shape of sandbox fleets: customers by
a power law, log-normal run times, some pauses, 0.5 % repeated deliveries, 0.5 % late ones, 0.1 %
sandboxes that never report an end.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

DAYS = 62
ACCOUNTS = 10_000
FIRST_INSTANT = "2026-07-01 00:00:00+00"
LAST_INSTANT = "2026-09-01 00:00:00+00"
# 0.7 * 1 + 0.3 * 2 runs a sandbox, two events a run, and half of the sandboxes one timeout update.
EVENTS_PER_SANDBOX = 0.7 * 2 + 0.3 * 4 + 0.5


def _uniform(key: str, salt: str) -> str:
    """SQL for a uniform number in (0, 1) that depends on ``key`` and ``salt`` alone."""
    return (
        f"((md5_number_lower({key}::varchar || ':{salt}') % 4294967296)::double + 0.5) / 4294967296"
    )


def _events_sql(events: int) -> str:
    """SQL of the event table: one row a delivery, columns of the table dump plus received_at."""
    sandboxes = round(events / EVENTS_PER_SANDBOX / 1.005)
    normal = (
        f"sqrt(-2 * ln({_uniform('run_key', 'n1')})) * cos(2 * pi() * {_uniform('run_key', 'n2')})"
    )
    return f"""
    with sandboxes as (
        select
            i,
            'sb' || lpad(i::varchar, 9, '0') as sandbox_id,
            least({ACCOUNTS}, floor(power({ACCOUNTS}::double, {_uniform("i", "org")})))::bigint
                as org,
            {_uniform("i", "pauses")} < 0.3 as pauses,
            {_uniform("i", "never")} < 0.001 as never_ends,
            {_uniform("i", "updates")} < 0.5 as updates,
            (1 + md5_number_lower(i::varchar || ':size') % 5)::integer as size,
            timestamptz '{FIRST_INSTANT}'
                + to_microseconds(({_uniform("i", "start")} * {DAYS - 1} * 86400e6)::bigint)
                as born_at
        from range({sandboxes}) as r(i)
    ),
    runs as (
        select *, i::varchar || '/' || run_number as run_key
        from sandboxes, unnest(case when pauses then [0, 1] else [0] end) as u(run_number)
    ),
    lived as (
        select
            *,
            born_at + to_microseconds((run_number * 7200e6)::bigint) as begun_at,
            least(7000e6, 1e6 + exp(5.5 + 1.3 * {normal}) * 1e6)::bigint as lived_us,
            uuid_of as execution_id
        from runs, lateral (select md5(run_key)::uuid::varchar as uuid_of)
    ),
    steps as (
        select
            *, 'create' as label,
            case when run_number = 0 then 'created' else 'resumed' end as kind,
            begun_at as happened_at
        from lived
        union all
        select *, 'update', 'updated', begun_at + interval 500 milliseconds
        from lived where updates and run_number = 0
        union all
        select
            *, 'end',
            case when pauses and run_number = 0 then 'paused' else 'killed' end,
            begun_at + to_microseconds((lived_us // 1000) * 1000)
        from lived
        where not (never_ends and run_number = (case when pauses then 1 else 0 end))
    ),
    deliveries as (
        select *, 1 as delivery from steps
        union all
        select *, 2 from steps where md5_number_lower(run_key || kind || 'dup') % 200 = 0
    )
    select
        happened_at as timestamp,
        sandbox_id,
        execution_id as sandbox_execution_id,
        'tpl-' || size as sandbox_template_id,
        '' as sandbox_build_id,
        '00000000-0000-4000-8000-000000000001' as sandbox_team_id,
        'lifecycle' as event_category,
        label as event_label,
        'sandbox.lifecycle.' || kind as type,
        'v2' as version,
        '{{"sandbox_metadata":{{"customer":"org-' || org || '"}}' || case
            when kind in ('paused', 'killed') then
                ',"execution":{{"started_at":"'
                || strftime(date_trunc('second', begun_at), '%Y-%m-%dT%H:%M:%SZ')
                || '","vcpu_count":' || (1 << (size - 1)) || ',"memory_mb":' || (512 << size)
                || ',"execution_time":' || (lived_us // 1000) || '}}'
            when kind = 'updated' then
                ',"set_timeout":"'
                || strftime(
                    date_trunc('second', begun_at + interval 2 hour), '%Y-%m-%dT%H:%M:%SZ') || '"'
            else ''
        end || '}}' as event_data,
        md5(run_key || kind)::uuid::varchar as id,
        7 as events_ttl_days,
        happened_at + to_microseconds(300000 + 10000000 * (delivery - 1)
            + case when md5_number_lower(run_key || kind || 'late') % 200 = 0
                then 144000000000 else 0 end) as received_at
    from deliveries
    """


def write_events(events: int, parquet: Path | None = None, ndjson: Path | None = None) -> int:
    """Write about ``events`` deliveries as a Parquet table dump and/or NDJSON captures.

    Returns the exact number of deliveries. The two files tell the same events; a capture also has
    the time of its delivery, which a table dump cannot have.
    """
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute(f"create table deliveries as {_events_sql(events)} order by received_at, id")
    if parquet is not None:
        parquet.parent.mkdir(parents=True, exist_ok=True)
        con.execute(
            f"copy (select * exclude (received_at) from deliveries) to '{parquet}'"
            " (format parquet, compression zstd)"
        )
    if ndjson is not None:
        ndjson.parent.mkdir(parents=True, exist_ok=True)
        con.execute(
            f"""copy (
                select
                    strftime(received_at, '%Y-%m-%dT%H:%M:%S.%fZ') as received_at,
                    {{'e2b-webhook-id': 'wh-1', 'e2b-delivery-id': uuid_text}} as headers,
                    '{{"id":"' || id || '","version":"v2","type":"' || type || '","timestamp":"'
                        || strftime("timestamp", '%Y-%m-%dT%H:%M:%S.%fZ')
                        || '","event_category":"lifecycle","event_label":"' || event_label
                        || '","event_data":' || event_data || ',"sandbox_id":"' || sandbox_id
                        || '","sandbox_execution_id":"' || sandbox_execution_id
                        || '","sandbox_template_id":"' || sandbox_template_id
                        || '","sandbox_build_id":"","sandbox_team_id":"' || sandbox_team_id
                        || '","events_ttl_days":7}}' as body
                from deliveries, lateral (
                    select md5(id || received_at::varchar)::uuid::varchar as uuid_text)
            ) to '{ndjson}' (format json)"""
        )
    count: int = con.execute("select count(*) from deliveries").fetchall()[0][0]
    con.close()
    return count
