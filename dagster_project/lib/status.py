"""What is loaded, built, approved, pushed and failing, without changing anything."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb

from dagster_project.lib import check_results
from dagster_project.lib.billing import rows_of
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.tables import table_exists
from ingest.errors import UsageError
from ingest.settings import Settings
from ingest.warehouse import connect
from reports.marts import open_marts
from reports.summary import gates_line, json_rows, printable, violations_line

_LOADS = """
    select source, count(*) as files, sum(records)::bigint as records,
           sum(quarantined)::bigint as quarantined
    from ops.loads group by source order by source
"""
# Of the files that stand in the landing zone: what was replaced or taken away waits no more.
_QUARANTINE = """
    select quarantine.source, quarantine.reason, count(*) as rows,
           arg_min(quarantine.file, (quarantine.file, record_number)) as first_file,
           arg_min(record_number, (quarantine.file, record_number)) as first_record
    from ops.quarantine as quarantine inner join ops.loads as loads using (load_seq)
    where loads.is_current
    group by quarantine.source, quarantine.reason
    order by quarantine.source, rows desc, quarantine.reason
"""
_REASONS = 3
_STATEMENTS = """
    select period, status, currency, count(*) as statements, sum(total_minor)::bigint as total_minor
    from marts.fct_statements group by all order by period, status, currency
"""
_GATES = "select code, account_id from marts.dim_usage_gates where not allowed order by 1, 2"
_VIOLATIONS = "select distinct code, account_id from marts.fct_limit_violations order by 1, 2"
_PUSHES = "select state, count(*) as meter_events from ops.pushes group by state order by state"


def read_status(settings: Settings) -> dict[str, Any]:
    """Everything the status command says, JSON-ready. Waits for nobody.

    While a run has the warehouse, loads and checks are those of the published marts.
    """
    layout = HomeLayout(settings.home)
    found: dict[str, Any] = {
        "home": str(settings.home),
        "run_under_way": False,
        "loads": [],
        "quarantine": [],
        "last_build": None,
        "failing_checks": [],
        "published": None,
        "statements": [],
        "pushes": [],
        "gates_shut": [],
        "limit_violations": [],
    }
    if layout.marts_database.exists():
        with open_marts(layout.marts_database) as con:
            _read_operations(con, found)
            found["published"] = json_rows(rows_of(con, "select * from ops.build"))[0]
            found["statements"] = rows_of(con, _STATEMENTS)
            # What an earlier version published has neither.
            if table_exists(con, "marts", "dim_usage_gates"):
                found["gates_shut"] = rows_of(con, _GATES)
                found["limit_violations"] = rows_of(con, _VIOLATIONS)
    if settings.warehouse_path.exists():
        try:
            con = connect(settings, read_only=True)
        except UsageError:
            found["run_under_way"] = True
            return found
        try:
            _read_operations(con, found)
        finally:
            con.close()
    return found


def status_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The status as plain lines for people."""
    yield f"Home: {found['home']}"
    if found["run_under_way"]:
        yield "A run is under way: what follows is what it last published"
    if not found["loads"]:
        yield "Nothing is loaded yet; run `meterhouse run`"
        return
    yield "Loads"
    for row in found["loads"]:
        yield (
            f"  {row['source']}: {row['files']} files, {row['records']} records, "
            f"{row['quarantined']} in quarantine"
        )
    yield from _quarantine_lines(found["quarantine"])
    build = found["last_build"]
    yield f"Last build: as of {build['as_of']}, run {build['run_id']}" if build else "No build yet"
    published = found["published"]
    yield f"Published: as of {published['as_of']}" if published else "Nothing is published yet"
    for row in found["statements"]:
        yield (
            f"  statements {row['period']} {row['status']}: {row['statements']}, "
            f"{row['total_minor']} {row['currency']} minor units"
        )
    if published:
        yield "  " + gates_line(found["gates_shut"])
        yield "  " + violations_line(found["limit_violations"])
    for row in found["pushes"]:
        yield f"  meter events {row['state']}: {row['meter_events']}"
    yield from _check_lines(found["failing_checks"])


def _quarantine_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"Waiting in quarantine: {sum(row['rows'] for row in rows)} records"
    for source, of_source in groupby(rows, key=lambda row: row["source"]):
        reasons = list(of_source)
        yield f"  {source}: {sum(row['rows'] for row in reasons)}"
        for row in reasons[:_REASONS]:
            record = "" if row["first_record"] is None else f" record {row['first_record']}"
            yield printable(
                f"    {row['rows']} x {row['reason']}; first: {row['first_file']}{record}"
            )
        if len(reasons) > _REASONS:
            yield f"    and {len(reasons) - _REASONS} more reasons in reports/quality.html"


def _check_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    blocking = sum(1 for row in rows if row["blocking"])
    refused = "; nothing is published, approved or pushed until they pass" if blocking else ""
    yield f"Failing checks: {len(rows)}, of which {blocking} block{refused}"
    for row in rows:
        yield printable(f"  {'blocking' if row['blocking'] else 'warning'}: {row['about']}")


def _read_operations(con: duckdb.DuckDBPyConnection, found: dict[str, Any]) -> None:
    found["loads"] = rows_of(con, _LOADS)
    found["quarantine"] = rows_of(con, _QUARANTINE)
    if table_exists(con, "ops", "pushes"):
        found["pushes"] = rows_of(con, _PUSHES)
    found["failing_checks"] = [
        {
            "check_name": result.check_name,
            "asset": result.asset,
            "blocking": result.blocking,
            "failing_rows": result.failing_rows,
            "first_rows": [row.describe() for row in result.rows[:_REASONS]],
            "about": result.describe(),
        }
        for result in check_results.failing(con, blocking_only=False)
    ]
    table = "ops.builds" if table_exists(con, "ops", "builds") else "ops.build"
    if table_exists(con, "ops", table.split(".")[1]):
        builds = rows_of(con, f"select run_id, as_of from {table} order by build_seq desc limit 1")
        found["last_build"] = json_rows(builds)[0] if builds else None
