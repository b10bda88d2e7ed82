"""Provider-neutral gauges: how many bytes a resource held at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import pyarrow as pa

from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.sources.flat import Field, FlatShape
from ingest.values import OptionalTime, Record, Text, Time, latest, whole

# An exbibyte: what no single resource holds, in units that still add up in 64 bits.
MAX_BYTES = 2**60

_SHAPE = FlatShape(
    fields=(
        Field("sampled_at", "time", ("sampled_at",)),
        Field("fetched_at", "time", ("fetched_at",), required=False),
        Field("account_ref", "text", ("account_ref",)),
        Field("resource_id", "text", ("resource_id",)),
        Field("bytes", "whole", ("bytes",), bounds=(0, MAX_BYTES)),
    ),
    known_at="greatest(sampled_at, fetched_at)",
)


class Gauge(Record):
    """A level observed at an instant, in bytes; fetched_at is when it was asked for, if said."""

    sampled_at: Time
    fetched_at: OptionalTime
    account_ref: Text
    resource_id: Text
    bytes: Annotated[int, whole(0, MAX_BYTES)]

    @property
    def known_at(self) -> datetime | None:
        """The record's own latest time."""
        return latest([self.sampled_at, self.fetched_at])


def read_gauge(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one gauge. Raises ValueError with the reason when it is not one."""
    gauge = Gauge.model_validate(_SHAPE.pick(record))
    return gauge.model_dump() | {"known_at": gauge.known_at}


GAUGES = RecordSource(
    table="raw.gauges",
    columns={
        "sampled_at": TIMESTAMP,
        "fetched_at": TIMESTAMP,
        "account_ref": pa.string(),
        "resource_id": pa.string(),
        "bytes": pa.int64(),
    },
    read=read_gauge,
    required_columns=[field.names for field in _SHAPE.fields if field.required],
    json_sql=_SHAPE.json_sql,
    table_sql=_SHAPE.table_sql,
    reads_once=("json", "table"),
)
