"""The warehouse file: opening it, with its schemas and tables in place."""

from __future__ import annotations

import duckdb

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
