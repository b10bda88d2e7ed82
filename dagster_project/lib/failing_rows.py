"""Which rows fail a dbt test, read from the warehouse after the build.

dbt says how many. Its query gives the failing values; where the test is about one model, the rows
of that model with these values say more: a record's file and number, or the keys of a mart.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from dagster_project.lib.check_results import KEPT_ROWS, FailingRow
from dagster_project.lib.dbt_build import NodeResult

# What dbt's own tests call the tested column.
_FIELD_NAMES = {"unique_field", "value_field", "from_field"}


def read_failing_rows(con: duckdb.DuckDBPyConnection, node: NodeResult) -> tuple[FailingRow, ...]:
    """At most KEPT_ROWS rows that fail a test, in a fixed order; none when it names no query.

    Raises duckdb.Error when the query does not run.
    """
    if not node.failing_sql:
        return ()
    failing = f"(\n{node.failing_sql}\n)"
    query = _rows_of_model(con, node, failing) or f"select * from {failing} as failing"
    result = con.execute(f"{query} order by all limit {KEPT_ROWS}")
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    files = dict(con.execute("select load_seq, file from ops.loads").fetchall())
    return tuple(_failing_row(row, files) for row in rows)


def _rows_of_model(con: duckdb.DuckDBPyConnection, node: NodeResult, failing: str) -> str | None:
    """SELECT of the tested model's rows that the failing values are in.

    None without a match, and where the query gives whole rows of the model already.
    """
    found = con.execute(
        """
        select table_schema from information_schema.tables
        where table_catalog = current_database() and table_name = ?
        """,
        [node.tested_model],
    ).fetchall()
    if len(found) != 1:
        return None
    relation = f'"{found[0][0]}"."{node.tested_model}"'
    told = _columns(con, f"select * from {failing} as failing")
    of_model = set(_columns(con, f"select * from {relation}"))
    if of_model <= set(told):
        return None
    pairs = {
        name: node.tested_column if name in _FIELD_NAMES and node.tested_column else name
        for name in told
    }
    same = [
        f'failing."{name}" is not distinct from tested."{column}"'
        for name, column in pairs.items()
        if column in of_model
    ]
    if not same:
        return None
    return (
        f"select tested.* from {relation} as tested where exists ("
        f"select 1 from {failing} as failing where {' and '.join(same)})"
    )


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [row[0] for row in con.execute(f"describe {query}").fetchall()]


def _failing_row(row: Mapping[str, Any], files: Mapping[int, str]) -> FailingRow:
    said = {name: _text(value) for name, value in row.items() if value is not None}
    content = json.dumps(said, ensure_ascii=False)
    file = files.get(row["load_seq"]) if row.get("load_seq") is not None else None
    return FailingRow(file, row.get("record_number") if file is not None else None, content)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
