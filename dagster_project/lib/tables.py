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

    Equal tables agree in any order of rows; a changed value, a null for an empty text, a lost or a
    repeated row shows. Two sums of 64-bit row hashes, exact, and the count of rows go into it:
    nearly free beside a copy of the table, where a cryptographic hash a row costs as much as the
    whole build. Comparable between homes on the same version of DuckDB.
    """
    names = [name for name in column_names(con, table) if name not in leave_out]
    columns = ", ".join(f'"{name}"' for name in names)
    sums = (
        f"sum(hash({columns})::hugeint), sum(hash('second', {columns})::hugeint)"
        if names
        else "null, null"
    )
    counted = con.execute(f"select count(*), {sums} from {table}").fetchone()
    rows, first, second = counted if counted is not None else (0, None, None)
    content = f"{','.join(names)}|{rows}|{first or 0}|{second or 0}"
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
