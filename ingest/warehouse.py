"""The warehouse file: opening it with its tables in place, and handing it rows from memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from ingest.errors import UsageError
from ingest.schema import create_statements
from ingest.settings import Settings

MEMORY_LIMIT = "800MB"
THREADS = 2


def connect(settings: Settings, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the warehouse; a writer creates what is missing (folder, schemas, tables).

    The session's time zone is UTC. One process may hold the file for writing and then no other
    may open it: raises UsageError that says so. Raises UsageError too when a reader finds no file.
    """
    path = settings.warehouse_path
    if read_only and not path.exists():
        raise UsageError(f"no warehouse at {path}; run `meterhouse run` first")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        con = duckdb.connect(str(path), read_only=read_only)
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"cannot open the warehouse {path}: {reason}; wait for the other run to end"
        ) from error
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    con.execute(f"set threads = {THREADS}")
    # Order of rows is never relied on, and keeping it would cost memory on large inserts.
    con.execute("set preserve_insertion_order = false")
    if not read_only:
        for statement in create_statements():
            con.execute(statement)
    return con


class _Feed:
    """Rows for the database to scan, as often as it likes, until they are let go."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, name: str, relation: object) -> Iterator[None]:
    """The relation under a name, inside of the block."""
    con.register(name, relation)
    try:
        yield
    finally:
        con.unregister(name)


@contextmanager
def fed(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Rows as a relation, inside of the block.

    What was registered a transaction holds to its end: so that holds the feed, not the rows.
    """
    feed = _Feed(rows)
    with registered(con, name, feed):
        yield
    feed.rows = rows.schema.empty_table()
