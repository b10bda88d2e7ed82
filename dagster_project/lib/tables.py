"""Exact facts about whole tables, computed inside DuckDB."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class TableDigest:
    """Rows of a table and a digest of all their values that no row order can change."""

    rows: int
    digest: str


def table_digest(
    con: duckdb.DuckDBPyConnection, table: str, leave_out: Collection[str] = ()
) -> TableDigest:
    """Digest every value of `table` (`schema.name`) except the columns in `leave_out`.

    Each row's columns become one text in which nulls, empty texts and column borders differ; the
    digest covers the count of rows and the exact sums of the halves of the rows' MD5, so equal
    tables agree in any order and a duplicated or lost row shows.
    """
    columns = [name for name in column_names(con, table) if name not in leave_out]
    parts = [
        f"coalesce(strlen({text})::varchar || ':' || {text}, '-')"
        for text in (f'"{name}"::varchar' for name in columns)
    ]
    row = " || ';' || ".join(parts) if parts else "''"
    counted = con.execute(
        f"""
        select count(*), sum(md5_number_upper(line)::hugeint), sum(md5_number_lower(line)::hugeint)
        from (select {row} as line from {table})
        """
    ).fetchone()
    rows, upper, lower = counted if counted is not None else (0, None, None)
    content = f"{','.join(columns)}|{rows}|{upper or 0}|{lower or 0}"
    return TableDigest(int(rows), hashlib.md5(content.encode(), usedforsecurity=False).hexdigest())


def column_names(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of `schema.name`, in order."""
    return [row[0] for row in con.execute(f"describe {table}").fetchall()]


def table_exists(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether `schema.name` is a table or view of the open database itself."""
    found = con.execute(
        """
        select count(*) from information_schema.tables
        where table_catalog = current_database() and table_schema = ? and table_name = ?
        """,
        [schema, name],
    ).fetchone()
    return found is not None and found[0] > 0
