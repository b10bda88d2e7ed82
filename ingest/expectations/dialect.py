"""DuckDB for Great Expectations: the one difference it needs from the SQLAlchemy dialect."""

from __future__ import annotations

from typing import Any

from duckdb_sqlalchemy import Dialect
from sqlalchemy.dialects import registry

DRIVER = "duckdb+meterhouse"


class ReadingDialect(Dialect):
    """A dialect that begins, commits and rolls back nothing.

    Great Expectations fetches its rows after the connection went back to the pool, whose rollback
    would drop the result. The connection only reads, so there is nothing to end.
    """

    supports_statement_cache = False

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin nothing."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit nothing."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back nothing, and so keep the result."""


registry.register("duckdb.meterhouse", "ingest.expectations.dialect", "ReadingDialect")
