"""Expectations on raw records, asked only about what was loaded since they last passed.

Great Expectations takes seconds to start; a run without new records keeps the stored results.
"""

import duckdb

from dagster_project.lib import check_results, pipeline, progress
from dagster_project.lib.check_results import CheckResult, FailingRow
from ingest.expectations import ExpectationOutcome, Suite, validate
from ingest.expectations.register import SUITES
from ingest.settings import Settings

ASSET_OF_CHECK = {rule.name: suite.asset for suite in SUITES for rule in suite.rules}

_CREATE = """
    create table if not exists ops.validated (source VARCHAR NOT NULL, load_seq INTEGER NOT NULL)
"""


def validate_new(settings: Settings, *, run_id: str) -> list[CheckResult]:
    """Validate the loads since each suite last passed, and give the latest result of every rule.

    The results are stored. Loads of a suite that fails are validated again by the next run.
    """
    with pipeline.warehouse(settings) as con:
        con.execute(_CREATE)
        new = {suite: loads for suite in SUITES if (loads := _new_loads(con, suite))}
    if new:
        with progress.current().stage("validate"):
            loads = sorted(load for found in new.values() for load in found)
            outcomes = validate(settings, loads, list(new))
        with pipeline.warehouse(settings) as con:
            results = {outcome.name: _result(con, outcome) for outcome in outcomes}
            check_results.record(con, results.values(), run_id=run_id, checked_at=settings.now)
            for suite, found in new.items():
                if not any(results[rule.name].stops for rule in suite.rules):
                    con.execute("delete from ops.validated where source = ?", [suite.source])
                    con.execute(
                        "insert into ops.validated values (?, ?)", [suite.source, max(found)]
                    )
    with pipeline.warehouse(settings, read_only=True) as con:
        return [item for item in check_results.stored(con) if item.check_name in ASSET_OF_CHECK]


def _new_loads(con: duckdb.DuckDBPyConnection, suite: Suite) -> list[int]:
    rows = con.execute(
        """
        select load_seq from ops.loads
        where (source = $source or starts_with(source, $source || '/')) and load_seq > (
            select coalesce(max(load_seq), 0) from ops.validated where source = $source)
        order by load_seq
        """,
        {"source": suite.source},
    ).fetchall()
    return [row[0] for row in rows]


def _result(con: duckdb.DuckDBPyConnection, outcome: ExpectationOutcome) -> CheckResult:
    asset = ASSET_OF_CHECK[outcome.name]
    return CheckResult(
        check_name=outcome.name,
        asset=outcome.table,
        passed=outcome.passed,
        blocking=outcome.blocking,
        failing_rows=outcome.failing_rows,
        detail="" if outcome.passed else outcome.detail,
        rows=tuple(
            FailingRow(file, number, _record_text(con, asset, file, number))
            for file, number in outcome.sample
        ),
    )


def _record_text(con: duckdb.DuckDBPyConnection, asset: str, file: str, number: int) -> str:
    """The record as it came; the newest where the file was replaced since."""
    row = con.execute(
        f"""
        select records.raw from raw.{asset} as records
        inner join ops.loads as loads using (load_seq)
        where loads.file = ? and records.record_number = ?
        order by records.load_seq desc
        """,
        [file, number],
    ).fetchone()
    return (row[0] if row else None) or ""
