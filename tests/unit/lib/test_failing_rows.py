"""The rows that fail a dbt test: the records where they are known, else what the test found."""

from datetime import UTC, datetime

import duckdb
import pytest

from dagster_project.lib.check_results import KEPT_ROWS, FailingRow
from dagster_project.lib.dbt_build import NodeResult
from dagster_project.lib.failing_rows import read_failing_rows
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, tzinfo=UTC)


@pytest.fixture
def con(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A model of records from two files, and a mart without any."""
    con = connect(settings)
    con.execute(
        "insert into ops.loads select i, 'e2b', 'e2b/' || i || '.jsonl', 's', 1, 1, 0, true, ?,"
        " 'json' from range(1, 3) as t(i)",
        [NOW],
    )
    con.execute("create schema staging; create schema marts")
    con.execute(
        """
        create view staging.told as
        select * from (values
            (1, 1, 'a', 1.50, timestamptz '2026-08-01 00:00:00+00'),
            (1, 2, null, 2.00, timestamptz '2026-08-02 00:00:00+00'),
            (2, 1, 'a', 3.00, timestamptz '2026-08-03 00:00:00+00')
        ) as t(load_seq, record_number, id, amount, told_at)
        """
    )
    con.execute("create table marts.owed as select 'acct_' || i as account_id from range(30) t(i)")
    return con


def _node(sql: str, model: str = "", column: str = "") -> NodeResult:
    return NodeResult("test.x", "x", "test", "fail", 0, 0, "", 1, "error", model, sql, column)


def test_a_value_that_is_missing_leads_to_its_record(con: duckdb.DuckDBPyConnection) -> None:
    (row,) = read_failing_rows(
        con, _node("select id from staging.told where id is null", "told", "id")
    )
    assert row == FailingRow(
        "e2b/1.jsonl",
        2,
        '{"load_seq": "1", "record_number": "2", "amount": "2.00",'
        ' "told_at": "2026-08-02T00:00:00Z"}',
    )


def test_a_query_of_whole_rows_also_says_what_it_adds(con: duckdb.DuckDBPyConnection) -> None:
    sql = "select 'id' as missing, * from staging.told where id is null"
    (row,) = read_failing_rows(con, _node(sql, "told"))
    assert row == FailingRow(
        "e2b/1.jsonl",
        2,
        '{"missing": "id", "load_seq": "1", "record_number": "2", "amount": "2.00",'
        ' "told_at": "2026-08-02T00:00:00Z"}',
    )


def test_a_value_that_is_repeated_leads_to_every_record_with_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    sql = """
        select id as unique_field, count(*) as n_records
        from staging.told where id is not null group by id having count(*) > 1
    """
    rows = read_failing_rows(con, _node(sql, "told", "id"))
    assert [row.describe() for row in rows] == ["e2b/1.jsonl record 1", "e2b/2.jsonl record 1"]


def test_rows_of_no_model_are_what_the_test_found(con: duckdb.DuckDBPyConnection) -> None:
    sql = "-- why\nwith found as (select 1 as expected, null as got)\nselect * from found -- end"
    rows = read_failing_rows(con, _node(sql))
    assert rows == (FailingRow(None, None, '{"expected": "1"}'),)
    # A model that the found columns say nothing about: the same.
    assert read_failing_rows(con, _node(sql, "told")) == rows


def test_a_mart_has_keys_and_no_file_and_not_all_are_kept(con: duckdb.DuckDBPyConnection) -> None:
    rows = read_failing_rows(con, _node("select * from marts.owed", "owed"))
    assert len(rows) == KEPT_ROWS
    assert rows[0] == FailingRow(None, None, '{"account_id": "acct_0"}')


def test_a_test_without_a_query_names_no_rows(con: duckdb.DuckDBPyConnection) -> None:
    assert read_failing_rows(con, _node("")) == ()
