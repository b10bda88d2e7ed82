"""Digests of tables."""

import duckdb
import pytest

from dagster_project.lib.tables import table_digest, table_exists

pytestmark = pytest.mark.unit


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _digest(con: duckdb.DuckDBPyConnection, rows: str) -> str:
    con.execute(f"create or replace table t as select * from (values {rows}) as v(a, b)")
    return table_digest(con, "main.t").digest


def test_order_does_not_matter_and_everything_else_does(con: duckdb.DuckDBPyConnection) -> None:
    base = _digest(con, "('x', 'y'), ('p', null)")
    assert _digest(con, "('p', null), ('x', 'y')") == base
    others = [
        "('x', 'y'), ('p', '')",
        "('x', 'y'), ('p', '-')",
        "('x', 'y'), (null, 'p')",
        "('xy', ''), ('p', null)",
        "('x', 'y'), ('p', null), ('p', null)",
        "('x', 'y'), ('x', 'y')",
        "('x', 'y')",
    ]
    digests = [_digest(con, rows) for rows in others]
    assert base not in digests
    assert len(set(digests)) == len(digests)


def test_empty_tables_have_a_digest(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table t (a integer)")
    found = table_digest(con, "main.t")
    assert found.rows == 0
    assert found.digest


def test_a_column_can_be_left_out(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table t as select 1 as a, 'x' as b")
    before = table_digest(con, "main.t", {"b"})
    con.execute("update t set b = 'y'")
    assert table_digest(con, "main.t", {"b"}) == before
    assert table_digest(con, "main.t") != before


def test_exactness_survives(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table t as select 0.1234567890123456::decimal(38, 16) as q")
    before = table_digest(con, "main.t")
    con.execute("update t set q = q + 0.0000000000000001::decimal(38, 16)")
    assert table_digest(con, "main.t") != before


def test_table_exists(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table t (a integer)")
    assert table_exists(con, "main", "t")
    assert not table_exists(con, "main", "u")
