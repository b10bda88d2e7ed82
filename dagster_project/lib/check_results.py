"""The latest result of every check, in `ops.check_results`.

A check has one row, its latest result; a check that a run does not reach keeps the one it had. So
"does a blocking check fail?" has an answer between runs, which approvals and pushes ask for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from dagster_project.lib.tables import table_exists
from ingest.errors import CheckFailed

# What a person can do about a blocking check that fails.
REMEDY = "correct the data (corrections.csv voids a record that is wrong)"
# So many failing rows of a check are kept, so much of each, and so many does a message name.
KEPT_ROWS = 20
KEPT_CHARACTERS = 4_000
_NAMED_ROWS = 3
_NAMED_CHARACTERS = 120


@dataclass(frozen=True)
class FailingRow:
    """One row that fails a check: the record that it is, when it is one, and what it says."""

    file: str | None
    record_number: int | None
    content: str

    def describe(self) -> str:
        """File and record, or else the beginning of what the row says."""
        if self.file is not None:
            number = "" if self.record_number is None else f" record {self.record_number}"
            return f"{self.file}{number}"
        if len(self.content) <= _NAMED_CHARACTERS:
            return self.content
        return f"{self.content[: _NAMED_CHARACTERS - 3]}..."


@dataclass(frozen=True)
class CheckResult:
    """One check's result. `failing_rows` is None when the check could not count them.

    `rows` are some of the failing rows, in a fixed order, at most KEPT_ROWS.
    """

    check_name: str
    asset: str
    passed: bool
    blocking: bool
    failing_rows: int | None
    detail: str
    rows: tuple[FailingRow, ...] = ()

    @property
    def stops(self) -> bool:
        return self.blocking and not self.passed

    def describe(self) -> str:
        """One line that names the check, the rows that fail and what it is about."""
        rows = "" if self.failing_rows is None else f": {self.failing_rows} failing rows"
        about = f" in {self.asset}" if self.asset else ""
        detail = f" ({self.detail})" if self.detail else ""
        named = ", ".join(row.describe() for row in self.rows[:_NAMED_ROWS])
        first = f"; first: {named}" if named else ""
        return f"check {self.check_name}{about} failed{rows}{detail}{first}"


def record(
    con: duckdb.DuckDBPyConnection,
    results: Iterable[CheckResult],
    *,
    run_id: str,
    checked_at: datetime,
) -> None:
    """Replace the stored result and failing rows of each given check."""
    results = list(results)
    rows = [
        (
            run_id,
            result.check_name,
            result.asset,
            result.passed,
            result.blocking,
            result.failing_rows,
            result.detail,
            checked_at,
        )
        for result in results
    ]
    if not rows:
        return
    con.execute("begin")
    con.execute(
        "delete from ops.check_results where list_contains(?, check_name)", [[r[1] for r in rows]]
    )
    con.executemany(
        """
        insert into ops.check_results
            (run_id, check_name, asset, passed, blocking, failing_rows, detail, checked_at)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        rows,
    )
    con.execute(
        "delete from ops.check_failures where list_contains(?, check_name)", [[r[1] for r in rows]]
    )
    failures = [
        (
            result.check_name,
            number,
            row.file,
            row.record_number,
            row.content[:KEPT_CHARACTERS],
        )
        for result in results
        for number, row in enumerate(result.rows[:KEPT_ROWS], 1)
    ]
    if failures:
        con.executemany("insert into ops.check_failures values (?, ?, ?, ?, ?)", failures)
    con.execute("commit")


def forget_others(con: duckdb.DuckDBPyConnection, known: Collection[str]) -> None:
    """Drop the results of checks that no longer exist; a removed check must not block for ever."""
    for table in ("ops.check_results", "ops.check_failures"):
        con.execute(f"delete from {table} where not list_contains(?, check_name)", [list(known)])


def failing(con: duckdb.DuckDBPyConnection, *, blocking_only: bool = True) -> list[CheckResult]:
    """The checks whose latest result is a failure, by name."""
    return [
        result
        for result in stored(con)
        if not result.passed and (result.blocking or not blocking_only)
    ]


def stored(con: duckdb.DuckDBPyConnection) -> list[CheckResult]:
    """The latest result of every check, blocking ones first, by name."""
    rows = con.execute(
        """
        select check_name, coalesce(asset, ''), passed, blocking, failing_rows,
               coalesce(detail, '')
        from ops.check_results
        order by blocking desc, check_name
        """
    ).fetchall()
    failures = _stored_failures(con)
    return [replace(CheckResult(*row), rows=tuple(failures.get(row[0], ()))) for row in rows]


def _stored_failures(con: duckdb.DuckDBPyConnection) -> dict[str, list[FailingRow]]:
    found: dict[str, list[FailingRow]] = {}
    # The published marts, and a warehouse that an older version wrote, have results alone.
    if table_exists(con, "ops", "check_failures"):
        rows = con.execute(
            """
            select check_name, file, record_number, content
            from ops.check_failures order by check_name, row_number
            """
        ).fetchall()
        for check_name, *row in rows:
            found.setdefault(check_name, []).append(FailingRow(*row))
    return found


def refuse_when_failing(con: duckdb.DuckDBPyConnection, what: str) -> None:
    """Raise CheckFailed when the latest result of a blocking check is a failure.

    `what` is the action refused, as in "approve".
    """
    results = failing(con)
    if results:
        raise CheckFailed(
            f"cannot {what}: {summary_line(results)}; {REMEDY} and run `meterhouse run`"
        )


def summary_line(results: list[CheckResult]) -> str:
    """The first failing check in words and how many more there are."""
    more = f" and {len(results) - 1} more" if len(results) > 1 else ""
    return results[0].describe() + more
