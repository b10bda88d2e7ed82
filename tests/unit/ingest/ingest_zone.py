"""A landing zone in a temporary folder and a real warehouse file beside it, for the tests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingest.landing import LoadSummary, load_landing
from ingest.settings import Settings
from ingest.warehouse import connect


class Zone:
    """A landing zone with its warehouse: write files, load them, look at the tables."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.landing.mkdir(parents=True)
        self.settings = Settings(
            landing=self.landing, home=folder / "home", now=datetime(2026, 9, 1, tzinfo=UTC)
        )
        self.con = connect(self.settings)

    def write(self, file: str, content: str | bytes) -> Path:
        path = self.landing / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def lines(self, file: str, *values: Any) -> Path:
        texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
        return self.write(file, "\n".join(texts) + "\n")

    def load(self, secret: str | None = None) -> LoadSummary:
        summary = load_landing(self.con, replace(self.settings, e2b_webhook_secret=secret))
        self.check_rows_in_are_rows_out()
        return summary

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self.con.sql(query).to_arrow_table().to_pylist()

    def reasons(self) -> list[str]:
        query = "select reason from ops.quarantine order by load_seq, record_number"
        return [row["reason"] for row in self.rows(query)]

    def check_rows_in_are_rows_out(self) -> None:
        counted = " union all ".join(
            f"select load_seq from {table}" for table in _record_tables(self.con)
        )
        wrong = self.con.execute(
            f"""
            select * from ops.loads
            where quarantined <> (select count(*) from ops.quarantine q
                                  where q.load_seq = loads.load_seq)
               or records <> quarantined + (select count(*) from ({counted}) r
                                            where r.load_seq = loads.load_seq)
            """
        ).fetchall()
        assert wrong == []


def _record_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "select table_name from information_schema.columns"
        " where table_schema = 'raw' and column_name = 'load_seq'"
    ).fetchall()
    return [f"raw.{name}" for (name,) in rows]
