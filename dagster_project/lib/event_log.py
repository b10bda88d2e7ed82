"""Dagster's event log in SQLite, without a wait for the disk at every single event.

A run of the pipeline plans and reports some hundreds of assets and checks. Dagster's own storage
opens the file, commits, and closes it again for each, and every one of these waits for the disk:
a minute a run. Here the connections stay open, events that come as a batch are one transaction, and
the write-ahead log is synchronised at checkpoints only. A power cut can lose the last events of a
run's history; it cannot damage it, and no fact lives there.

Runs that take turns ask here for their place, too.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from dagster._utils.concurrency import ConcurrencyClaimStatus
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

# The index and the runs that are looked at; more would only hold files open.
_OPEN_DATABASES = 4
_BATCH_SIZE = "1000"
# Between two questions of a run that waits for its turn.
_WAIT_SECONDS = 0.5


class HomeEventLogStorage(SqliteEventLogStorage):
    """The event log of a home: a database a run and an index over all of them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._held: dict[str, Connection] = {}
        self._batch_stack: ExitStack | None = None
        self._batch_thread = 0
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _BATCH_SIZE)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "HomeEventLogStorage":
        """Storage below the configured folder, where Dagster's own would be."""
        return cls(str(Path(config_value["base_dir"]) / "history" / "runs"), inst_data)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store many events in one transaction of each database."""
        with self._batch():
            for each in events:
                self.store_event(each)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table. A table that is there stays: it is looked for once."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a place in a pool; where none is free, wait a moment before saying so.

        Dagster's executor does not sleep while it waits: it would keep a core busy, which the run
        that it waits for could use.
        """
        status = super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        if status.is_claimed:
            return status
        time.sleep(_WAIT_SECONDS)
        at_once: ConcurrencyClaimStatus = status.with_sleep_interval(0.0)
        return at_once

    def dispose(self) -> None:
        """Close every database."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    @contextmanager
    def _batch(self) -> Iterator[None]:
        # The lock keeps other threads out; in this one `_connect` must not take it again.
        with self._db_lock:
            self._batch_thread = threading.get_ident()
            try:
                with ExitStack() as stack:
                    self._batch_stack = stack
                    yield
            finally:
                self._batch_stack = None
                self._batch_thread = 0
                self._held = {}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._batch_stack is not None and self._batch_thread == threading.get_ident():
            if shard not in self._held:
                connection = self._batch_stack.enter_context(self._engine(shard).connect())
                self._batch_stack.enter_context(connection.begin())
                self._held[shard] = connection
            yield self._held[shard]
            return
        with (
            self._db_lock,
            self._engine(shard).connect() as connection,
            connection.begin(),
        ):
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.get(shard)
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                connect_args={
                    "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
                    "check_same_thread": False,
                },
            )
            event.listen(engine, "connect", _relax)
            self._engines[shard] = engine
            while len(self._engines) > _OPEN_DATABASES:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
