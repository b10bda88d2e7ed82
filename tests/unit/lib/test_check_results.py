"""The latest result of every check."""

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from dagster_project.lib import check_results
from dagster_project.lib.check_results import KEPT_ROWS, CheckResult, FailingRow
from ingest.errors import CheckFailed
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, tzinfo=UTC)
GOOD = CheckResult("good", "m", True, True, 0, "")
BAD = CheckResult("bad", "m", False, True, 3, "")
WARNING = CheckResult("warning", "", False, False, 1, "look")


@pytest.fixture
def con(settings: Settings) -> duckdb.DuckDBPyConnection:
    return connect(settings)


def _record(con: duckdb.DuckDBPyConnection, *results: CheckResult) -> None:
    check_results.record(con, results, run_id="run", checked_at=NOW)


def test_a_blocking_failure_refuses_and_says_which(con: duckdb.DuckDBPyConnection) -> None:
    _record(con, GOOD, BAD, WARNING)
    with pytest.raises(CheckFailed, match=r"cannot push: check bad in m failed: 3 failing rows;"):
        check_results.refuse_when_failing(con, "push")
    assert check_results.failing(con) == [BAD]
    assert check_results.failing(con, blocking_only=False) == [BAD, WARNING]


def test_only_the_latest_result_counts(con: duckdb.DuckDBPyConnection) -> None:
    _record(con, BAD)
    _record(con, CheckResult("bad", "m", True, True, 0, ""))
    check_results.refuse_when_failing(con, "push")


def test_a_check_that_a_run_does_not_reach_keeps_its_result(
    con: duckdb.DuckDBPyConnection,
) -> None:
    _record(con, BAD)
    _record(con, GOOD)
    assert check_results.failing(con) == [BAD]


def test_a_removed_check_does_not_block_for_ever(con: duckdb.DuckDBPyConnection) -> None:
    _record(con, BAD, GOOD)
    check_results.forget_others(con, {"good"})
    assert check_results.stored(con) == [GOOD]


def test_a_line_names_the_first_and_counts_the_rest() -> None:
    line = check_results.summary_line([BAD, WARNING])
    assert line == "check bad in m failed: 3 failing rows and 1 more"


def test_a_refusal_names_the_check_its_asset_and_the_first_rows(
    con: duckdb.DuckDBPyConnection,
) -> None:
    records = [FailingRow("e2b/a.jsonl", number, "{}") for number in range(1, 30)]
    _record(con, replace(BAD, rows=tuple(records)))
    with pytest.raises(CheckFailed) as refused:
        check_results.refuse_when_failing(con, "approve")
    assert str(refused.value) == (
        "cannot approve: check bad in m failed: 3 failing rows; first: e2b/a.jsonl record 1,"
        " e2b/a.jsonl record 2, e2b/a.jsonl record 3; correct the data (corrections.csv voids a"
        " record that is wrong) and run `meterhouse run`"
    )
    (stored,) = check_results.stored(con)
    assert stored.rows == tuple(records[:KEPT_ROWS])


def test_rows_that_are_no_records_are_named_by_what_they_say() -> None:
    row = FailingRow(None, None, '{"account_id": "acct_1"}')
    assert replace(BAD, rows=(row,)).describe().endswith('; first: {"account_id": "acct_1"}')
    assert len(FailingRow(None, None, "x" * 500).describe()) == 120
    assert FailingRow("e2b/a.jsonl", None, "").describe() == "e2b/a.jsonl"


def test_rows_go_with_their_result(con: duckdb.DuckDBPyConnection) -> None:
    failed = replace(BAD, rows=(FailingRow("f", 1, "{}"),))
    _record(con, failed)
    _record(con, CheckResult("bad", "m", True, True, 0, ""))
    assert check_results.stored(con)[0].rows == ()
    _record(con, failed)
    check_results.forget_others(con, {"good"})
    assert con.execute("select count(*) from ops.check_failures").fetchone() == (0,)
