"""Vercel Sandbox sessions: one machine of one sandbox, from its start to its stop.

The API answers pages, `{"sessions": [...], "pagination": {...}}`; a file may hold those as they
came, or the sessions themselves. Times are milliseconds since 1970, `memory` is MiB although it is
called MB. A session without `startedAt` has not run. Active CPU time, network traffic and the rest
stay in the record's text.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pyarrow as pa
from pydantic import model_validator

from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.sources.flat import Field, FlatShape
from ingest.values import (
    MAX_CORES,
    MAX_MIB,
    OptionalText,
    OptionalUnixMs,
    Record,
    Text,
    UnixMs,
    decimal,
    latest,
    optional_whole,
    refuse_absurd_cores,
    whole,
)

# A hundred years.
MAX_DURATION_MS = 3_155_760_000_000

_SHAPE = FlatShape(
    fields=(
        Field("session_id", "text", ("id",)),
        Field("project_id", "text", ("projectId",), required=False),
        Field("sandbox_name", "text", ("sourceSandboxName",), required=False),
        Field("status", "text", ("status",)),
        Field("vcpu", "decimal", ("vcpus",), bounds=(18, 6)),
        Field("memory_mib", "whole", ("memory",), bounds=(1, MAX_MIB)),
        Field("region", "text", ("region",), required=False),
        Field("started_at", "unix_ms", ("startedAt",), required=False),
        Field("stopped_at", "unix_ms", ("stoppedAt",), required=False),
        Field("aborted_at", "unix_ms", ("abortedAt",), required=False),
        Field("duration_ms", "whole", ("duration",), required=False, bounds=(0, MAX_DURATION_MS)),
        Field("updated_at", "unix_ms", ("updatedAt",)),
    ),
    known_at="greatest(started_at, stopped_at, aborted_at, updated_at)",
    condition=f"vcpu <= {MAX_CORES}",
    ignored={
        "activeCpuDurationMs": (),
        "createdAt": (),
        "cwd": (),
        "interactivePort": (),
        "networkPolicy": ("mode",),
        "networkTransfer": ("ingress", "egress"),
        "requestedAt": (),
        "requestedStopAt": (),
        "runtime": (),
        "snapshottedAt": (),
        "sourceSnapshotId": (),
        "timeout": (),
    },
)


class Session(Record):
    """One state of a session; vcpu in cores, memory in MiB, duration in milliseconds."""

    session_id: Text
    project_id: OptionalText
    sandbox_name: OptionalText
    status: Text
    vcpu: Annotated[Decimal, decimal(18, 6)]
    memory_mib: Annotated[int, whole(1, MAX_MIB)]
    region: OptionalText
    started_at: OptionalUnixMs
    stopped_at: OptionalUnixMs
    aborted_at: OptionalUnixMs
    duration_ms: Annotated[int | None, optional_whole(0, MAX_DURATION_MS)]
    updated_at: UnixMs

    @model_validator(mode="after")
    def _no_absurd_size(self) -> Session:
        refuse_absurd_cores(vcpu=self.vcpu)
        return self

    @property
    def known_at(self) -> datetime | None:
        """The record's own latest time."""
        return latest([self.started_at, self.stopped_at, self.aborted_at, self.updated_at])


def read_session(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one session. Raises ValueError with the reason when it is not one."""
    session = Session.model_validate(_SHAPE.pick(record))
    return session.model_dump() | {"known_at": session.known_at}


SESSIONS = RecordSource(
    table="raw.vercel_sessions",
    columns={
        "session_id": pa.string(),
        "project_id": pa.string(),
        "sandbox_name": pa.string(),
        "status": pa.string(),
        "vcpu": pa.decimal128(18, 6),
        "memory_mib": pa.int64(),
        "region": pa.string(),
        "started_at": TIMESTAMP,
        "stopped_at": TIMESTAMP,
        "aborted_at": TIMESTAMP,
        "duration_ms": pa.int64(),
        "updated_at": TIMESTAMP,
    },
    read=read_session,
    required_columns=[field.names for field in _SHAPE.fields if field.required],
    json_sql=_SHAPE.json_sql,
    table_sql=_SHAPE.table_sql,
    reads_once=("json", "table"),
    page_key="sessions",
)
