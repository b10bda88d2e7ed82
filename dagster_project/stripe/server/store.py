"""The server's state: one SQLite database, in memory or in a file, one transaction a request."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from dagster_project.stripe.server.jsontext import dumps, fixed, loads

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS meter_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, identifier TEXT NOT NULL, event_name TEXT NOT NULL,
    meter_id TEXT NOT NULL, customer TEXT NOT NULL, value TEXT NOT NULL, timestamp INTEGER NOT NULL,
    received INTEGER NOT NULL, counted INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS meter_events_identifier ON meter_events (identifier);
CREATE INDEX IF NOT EXISTS meter_events_window ON meter_events (meter_id, customer, timestamp);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """A received meter event; times in unix seconds; `counted` is false for unknown customers
    and for cancelled events."""

    seq: int
    identifier: str
    event_name: str
    meter_id: str
    customer: str
    value: Decimal
    timestamp: int
    received: int
    counted: bool


class Store:
    """All state. Calls between requests' transactions are serialised by its lock."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
        )
        self._lock = threading.RLock()
        if path is not None:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the database after the request that holds it."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or not at all when it raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def new_id(self, prefix: str) -> str:
        """An identifier in Stripe's style; the same sequence of requests gives the same ones."""
        number = self.count(f"id:{prefix}")
        return f"{prefix}_{sha256(f'{prefix}{number}'.encode()).hexdigest()[:24]}"

    def count(self, name: str) -> int:
        """Add one to a counter and return it."""
        query = (
            "INSERT INTO counters VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        )
        return int(self._db.execute(query, (name,)).fetchone()[0])

    def put(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Insert or replace one object by its `id`; a replaced one keeps its place in lists."""
        self._db.execute(
            "INSERT INTO objects (kind, id, body) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, body["id"], dumps(body)),
        )
        return body

    def get(self, kind: str, object_id: str) -> dict[str, Any] | None:
        """One object, or None."""
        row = self._db.execute(
            "SELECT body FROM objects WHERE kind = ? AND id = ?", (kind, object_id)
        ).fetchone()
        return None if row is None else dict(loads(row[0]))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, newest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind = ? ORDER BY seq DESC", (kind,)
        )
        return [dict(loads(row[0])) for row in rows]

    def add_event(self, event: MeterEvent) -> None:
        """Keep a meter event (its `seq` is given here)."""
        self._db.execute(
            "INSERT INTO meter_events (identifier, event_name, meter_id, customer, value, "
            "timestamp, received, counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.identifier,
                event.event_name,
                event.meter_id,
                event.customer,
                fixed(event.value),
                event.timestamp,
                event.received,
                int(event.counted),
            ),
        )

    def events(self, where: str = "1 = 1", *values: object) -> list[MeterEvent]:
        """Meter events in the order received, filtered by an SQL condition over their columns."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, identifier, event_name, meter_id, customer, value, timestamp, "
                f"received, counted FROM meter_events WHERE {where} ORDER BY seq",
                values,
            ).fetchall()
        return [
            MeterEvent(
                seq=row[0],
                identifier=row[1],
                event_name=row[2],
                meter_id=row[3],
                customer=row[4],
                value=Decimal(row[5]),
                timestamp=row[6],
                received=row[7],
                counted=bool(row[8]),
            )
            for row in rows
        ]

    def cancel_event(self, seq: int) -> None:
        """Stop counting one event."""
        self._db.execute("UPDATE meter_events SET counted = 0 WHERE seq = ?", (seq,))

    def remembered(self, key: str, oldest: int) -> tuple[str, int, str] | None:
        """Fingerprint, status and body kept for an idempotency key since `oldest`, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT fingerprint, status, body FROM idempotency WHERE key = ? AND created > ?",
                (key, oldest),
            ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def remember(self, key: str, fingerprint: str, status: int, body: str, now: int) -> None:
        """Keep an answer for its idempotency key."""
        self._db.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)",
            (key, fingerprint, status, body, now),
        )
