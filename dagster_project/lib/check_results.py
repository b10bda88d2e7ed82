"""The latest result of every check, in `ops.check_results`.

A check has one row, its latest result; a check that a run does not reach keeps the one it had. So
"does a blocking check fail?" has an answer between runs, which approvals and pushes ask for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ingest.errors import CheckFailed


@dataclass(frozen=True)
class CheckResult:
    """One check's result. `failing_rows` is None when the check could not count them."""

    check_name: str
    asset: str
    passed: bool
    blocking: bool
    failing_rows: int | None
    detail: str

    @property
    def stops(self) -> bool:
        return self.blocking and not self.passed

    def describe(self) -> str:
        """One line that names the check, the rows that fail and what it is about."""
        rows = "" if self.failing_rows is None else f": {self.failing_rows} failing rows"
        about = f" in {self.asset}" if self.asset else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"check {self.check_name}{about} failed{rows}{detail}"


def record(
    con: duckdb.DuckDBPyConnection,
    results: Iterable[CheckResult],
    *,
    run_id: str,
    checked_at: datetime,
) -> None:
    """Replace the stored result of each given check."""
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
    con.execute("commit")


def forget_others(con: duckdb.DuckDBPyConnection, known: Collection[str]) -> None:
    """Drop the results of checks that no longer exist; a removed check must not block for ever."""
    con.execute(
        "delete from ops.check_results where not list_contains(?, check_name)", [list(known)]
    )


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
    return [CheckResult(*row) for row in rows]


def refuse_when_failing(con: duckdb.DuckDBPyConnection, what: str) -> None:
    """Raise CheckFailed when the latest result of a blocking check is a failure.

    `what` is the action refused, as in "approve".
    """
    results = failing(con)
    if results:
        raise CheckFailed(
            f"cannot {what}: {summary_line(results)}; correct the data and run `meterhouse run`"
        )


def summary_line(results: list[CheckResult]) -> str:
    """The first failing check in words and how many more there are."""
    more = f" and {len(results) - 1} more" if len(results) > 1 else ""
    return results[0].describe() + more
