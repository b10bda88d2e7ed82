"""Opening the published marts.

DuckDB names a database after its file, so the schema `marts` of `marts.duckdb` is ambiguous when
that file is opened by itself: `marts.fct_charges` must then be written `marts.marts.fct_charges`.
Attached under another name, as here, `marts.fct_charges` works.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ingest.errors import UsageError

MEMORY_LIMIT = "800MB"
THREADS = 2


def sql_text(value: object) -> str:
    """A text or path as a quoted SQL literal, where a parameter is not allowed."""
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def open_marts(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts, read-only, as the current database of a session in UTC.

    Any number of readers may do this at any time. Raises UsageError when nothing is published.
    """
    if not database.exists():
        raise UsageError(f"no published marts at {database}; run `meterhouse run` first")
    with open_database(database, read_only=True) as con:
        yield con


@contextmanager
def open_database(database: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file as the current database `published` of a session in UTC."""
    con = duckdb.connect()
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        con.execute(f"set threads = {THREADS}")
        mode = " (read_only)" if read_only else ""
        con.execute(f"attach {sql_text(database)} as published{mode}")
        con.execute("use published")
        yield con
    finally:
        con.close()
