"""OpenComputer scale events: one allocation of one sandbox from a start to an end.

Database names (memory_mb) and JSON names (memoryMB) are both read. MB means MiB. An empty end is an
open allocation; an end before the start is kept as it came, for staging to clamp and report.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import pyarrow as pa

from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.sources.flat import Field, FlatShape
from ingest.values import MAX_MIB, OptionalTime, Record, Text, Time, latest, optional_whole, whole

INCLUDED_DISK_MIB = 20_480
MAX_CPU_PERCENT = 6_553_600

_SHAPE = FlatShape(
    fields=(
        Field("event_id", "text", ("id",)),
        Field("sandbox_id", "text", ("sandbox_id", "sandboxId")),
        Field("org_id", "text", ("org_id", "orgId")),
        Field("memory_mib", "whole", ("memory_mb", "memoryMB"), bounds=(1, MAX_MIB)),
        Field("cpu_percent", "whole", ("cpu_percent", "cpuPercent"), bounds=(1, MAX_CPU_PERCENT)),
        Field(
            "disk_mib",
            "whole",
            ("disk_mb", "diskMB"),
            default=f"cast({INCLUDED_DISK_MIB} as bigint)",
            bounds=(0, MAX_MIB),
        ),
        Field("started_at", "time", ("started_at", "startedAt")),
        Field("ended_at", "time", ("ended_at", "endedAt"), required=False),
    ),
    known_at="greatest(started_at, ended_at)",
)


class ScaleEvent(Record):
    """One scale event; sizes in MiB and percent of a core."""

    event_id: Text
    sandbox_id: Text
    org_id: Text
    memory_mib: Annotated[int, whole(1, MAX_MIB)]
    cpu_percent: Annotated[int, whole(1, MAX_CPU_PERCENT)]
    disk_mib: Annotated[int | None, optional_whole(0, MAX_MIB)]
    started_at: Time
    ended_at: OptionalTime

    @property
    def known_at(self) -> datetime | None:
        """The record's own latest time."""
        return latest([self.started_at, self.ended_at])


def read_scale_event(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one scale event. Raises ValueError with the reason when it is not one."""
    event = ScaleEvent.model_validate(_SHAPE.pick(record))
    row = event.model_dump()
    if row["disk_mib"] is None:
        row["disk_mib"] = INCLUDED_DISK_MIB
    return row | {"known_at": event.known_at}


SCALE_EVENTS = RecordSource(
    table="raw.opencomputer_scale_events",
    columns={
        "event_id": pa.string(),
        "sandbox_id": pa.string(),
        "org_id": pa.string(),
        "memory_mib": pa.int64(),
        "cpu_percent": pa.int32(),
        "disk_mib": pa.int64(),
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
    },
    read=read_scale_event,
    required_columns=[
        field.names for field in _SHAPE.fields if field.required and field.default is None
    ],
    json_sql=_SHAPE.json_sql,
    table_sql=_SHAPE.table_sql,
    reads_once=("json", "table"),
)
