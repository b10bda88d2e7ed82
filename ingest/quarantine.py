"""Records that could not be read: each kept whole, with one exact reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ingest.warehouse import fed

# A file cut in the middle of a huge array leaves one huge rest: its beginning is enough.
RAW_LIMIT = 100_000

_SCHEMA = pa.schema(
    [
        ("load_seq", pa.int32()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("record_number", pa.int32()),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)


class Unreadable(Exception):  # noqa: N818
    """A file that cannot be read at all; the message is the reason for the quarantine."""


@dataclass(frozen=True)
class BadRecord:
    """One rejected record: its number in the file (None: the whole file), why, and its text."""

    record_number: int | None
    reason: str
    raw: str | None


def storable(text: str) -> str:
    """The text in a form that every reader of the warehouse can show: no NUL, no broken UTF-8."""
    clean = text[:RAW_LIMIT].replace("\0", "\\x00")
    return clean.encode("utf-8", "backslashreplace").decode("utf-8")


def write_quarantine(
    con: duckdb.DuckDBPyConnection, rejected: Sequence[tuple[int, str, str, BadRecord]]
) -> None:
    """Append rejected records, each after the number, source and file of its load."""
    if not rejected:
        return
    rows = [
        {
            "load_seq": load_seq,
            "source": source,
            "file": file,
            "record_number": record.record_number,
            "reason": storable(record.reason),
            "raw": None if record.raw is None else storable(record.raw),
        }
        for load_seq, source, file, record in rejected
    ]
    with fed(con, "quarantined_rows", pa.Table.from_pylist(rows, schema=_SCHEMA)):
        con.execute("insert into ops.quarantine by name select * from quarantined_rows")
