"""Stripe API objects, as fetched: one row an object, the object kept whole.

A line may hold an object or a list page (`{"object": "list", "data": [...]}`); a page gives one row
an object. Staging reads the fields that it needs from the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingest.quarantine import BadRecord
from ingest.reading import held_records, json_batches, members
from ingest.records import TIMESTAMP, Loaded, insert_rows
from ingest.values import (
    HALF_OF_A_PAIR,
    is_absent,
    parse_json,
    read_text,
    read_time,
    scalar_text,
    shown,
)

OBJECTS = (
    "customers",
    "products",
    "prices",
    "meters",
    "meter_event_summaries",
    "subscriptions",
    "invoices",
    "invoice_line_items",
    "credit_grants",
    "credit_balance_transactions",
    "credit_notes",
    "events",
)

COLUMNS = {"object": pa.string(), "object_id": pa.string(), "fetched_at": TIMESTAMP}

# Seconds since 1970: what Stripe itself uses. Up to the year 9999.
_LAST_SECOND = 253_402_300_799


def load_stripe(con: duckdb.DuckDBPyConnection, kind: str, path: Path, load_seq: int) -> Loaded:
    """Append the objects of one file of `stripe/<kind>/`, inside the caller's transaction.

    Raises Unreadable when the file as a whole cannot be read.
    """
    loaded = Loaded()
    for batch in json_batches(path):
        loaded.bad += batch.bad
        rows: list[dict[str, Any]] = []
        for number, text in zip(batch.numbers, batch.texts, strict=True):
            for raw in _object_texts(text):
                try:
                    row = read_object(kind, raw)
                except ValueError as error:
                    loaded.bad.append(BadRecord(number, str(error), raw))
                    continue
                rows.append(row | {"load_seq": load_seq, "record_number": number, "raw": raw})
        insert_rows(con, "raw.stripe_objects", COLUMNS, rows)
        loaded.accepted += len(rows)
    loaded.bad.sort(key=lambda record: record.record_number or 0)
    return loaded


def _object_texts(text: str) -> Iterator[str]:
    """The text itself, or the text of each object, as it came, when it is a list page.

    A page says when it was fetched for all of its objects.
    """
    page = text.strip()
    objects = held_records(page, "data")
    told = {} if objects is None else dict(members(page))
    if objects is None or told.get("object", '"list"') != '"list"':
        yield text
        return
    for item in objects:
        yield _fetched_with(told, item)


def _fetched_with(page: Mapping[str, str], item: str) -> str:
    """The text of an object of a page, fetched when the page (texts by name) was unless it says."""
    if "fetched_at" not in page or not item.startswith("{"):
        return item
    own = dict(members(item))
    if "fetched_at" in own:
        return item
    first = f'{{"fetched_at":{page["fetched_at"]}'
    return f"{first},{item[1:]}" if own else f"{first}}}"


def read_object(kind: str, text: str) -> dict[str, Any]:
    """The row of one object of a landing folder. Raises ValueError with the reason."""
    try:
        record = parse_json(text)
    except ValueError as error:
        raise ValueError(f"record {error}") from error
    if not isinstance(record, dict):
        raise ValueError("record is not a JSON object")
    # Staging reads the text, and the database takes no such text for JSON.
    if "\\u" in text and not _is_text(record):
        raise ValueError("record holds half of a surrogate pair, which is not text")
    fetched_at = _moment(record.get("fetched_at"), "fetched_at")
    return {
        "object": kind,
        "object_id": _object_id(kind, record),
        "fetched_at": fetched_at,
        "known_at": fetched_at or _moment(record.get("created"), "created"),
    }


def _is_text(value: object) -> bool:
    """Whether every text in a JSON value is one, and has no half of a surrogate pair."""
    return not HALF_OF_A_PAIR.search(json.dumps(value, ensure_ascii=False, default=str))


def _object_id(kind: str, record: Mapping[str, Any]) -> str:
    # A summary is told apart by what it sums up: two fetches of the same window are one object.
    parts = [record.get(key) for key in ("meter", "customer", "start_time", "end_time")]
    if kind == "meter_event_summaries" and not any(is_absent(part) for part in parts):
        joined = "|".join(scalar_text(part) for part in parts)
        return hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()
    try:
        return read_text(record.get("id"))
    except ValueError as error:
        raise ValueError(f"id {error}") from error


def _moment(value: object, field: str) -> datetime | None:
    """Stripe's own seconds since 1970, or a time as text."""
    if is_absent(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _LAST_SECOND:
            raise ValueError(f"{field} is not a time: {shown(value)}")
        return datetime.fromtimestamp(value, UTC)
    try:
        return read_time(value)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from error
