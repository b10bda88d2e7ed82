"""Provider-neutral sources: intervals of constant size, and quantities already measured."""

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
    OptionalTime,
    Record,
    Text,
    Time,
    canonical_json,
    decimal,
    latest,
    optional_decimal,
    optional_whole,
    read_text,
    refuse_absurd_cores,
    scalar_text,
)

_INTERVALS = FlatShape(
    fields=(
        Field("record_id", "text", ("record_id",)),
        Field("provider", "text", ("provider",)),
        Field("account_ref", "text", ("account_ref",)),
        Field("resource_id", "text", ("resource_id",)),
        Field("started_at", "time", ("started_at",)),
        Field("ended_at", "time", ("ended_at",), required=False),
        Field("vcpu", "decimal", ("vcpu",), required=False, bounds=(18, 6)),
        Field("memory_mib", "whole", ("memory_mib",), required=False, bounds=(0, MAX_MIB)),
        Field("disk_mib", "whole", ("disk_mib",), required=False, bounds=(0, MAX_MIB)),
        Field("gpu", "decimal", ("gpu",), required=False, bounds=(18, 6)),
        Field("region", "text", ("region",), required=False),
    ),
    known_at="greatest(started_at, ended_at)",
    condition=f"coalesce(vcpu <= {MAX_CORES}, true) and coalesce(gpu <= {MAX_CORES}, true)",
)

_QUANTITIES = FlatShape(
    fields=(
        Field("record_id", "text", ("record_id",)),
        Field("account_ref", "text", ("account_ref",)),
        Field("meter_id", "text", ("meter_id",)),
        Field("quantity", "decimal", ("quantity",), bounds=(38, 16)),
        Field("started_at", "time", ("started_at",)),
        Field("ended_at", "time", ("ended_at",)),
    ),
    known_at="ended_at",
    condition="ended_at >= started_at",
    dimensions="dimensions",
)


class Interval(Record):
    """An allocation of constant size; vcpu and gpu in cores, memory and disk in MiB."""

    record_id: Text
    provider: Text
    account_ref: Text
    resource_id: Text
    started_at: Time
    ended_at: OptionalTime
    vcpu: Annotated[Decimal | None, optional_decimal(18, 6)]
    memory_mib: Annotated[int | None, optional_whole(0, MAX_MIB)]
    disk_mib: Annotated[int | None, optional_whole(0, MAX_MIB)]
    gpu: Annotated[Decimal | None, optional_decimal(18, 6)]
    region: OptionalText

    @model_validator(mode="after")
    def _no_absurd_size(self) -> Interval:
        refuse_absurd_cores(vcpu=self.vcpu, gpu=self.gpu)
        return self

    @property
    def known_at(self) -> datetime | None:
        """The record's own latest time."""
        return latest([self.started_at, self.ended_at])


class Quantity(Record):
    """An amount of one meter over a window."""

    record_id: Text
    account_ref: Text
    meter_id: Text
    quantity: Annotated[Decimal, decimal(38, 16)]
    started_at: Time
    ended_at: Time

    @model_validator(mode="after")
    def _window_runs_forward(self) -> Quantity:
        if self.ended_at < self.started_at:
            raise ValueError("ended_at is before started_at")
        return self


def read_interval(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one interval. Raises ValueError with the reason when it is not one."""
    interval = Interval.model_validate(_INTERVALS.pick(record))
    return interval.model_dump() | {"known_at": interval.known_at}


def read_quantity(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one quantity; keys that are no column become its dimensions, as text."""
    quantity = Quantity.model_validate(_QUANTITIES.pick(record))
    dimensions = {
        _checked("dimension name", key): _checked(f"dimension {key}", scalar_text(value))
        for key, value in _QUANTITIES.others(record).items()
    }
    return quantity.model_dump() | {
        "known_at": quantity.ended_at,
        "dimensions": canonical_json(dimensions),
    }


def _checked(what: str, text: str) -> str:
    try:
        return read_text(text)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from error


INTERVALS = RecordSource(
    table="raw.intervals",
    columns={
        "record_id": pa.string(),
        "provider": pa.string(),
        "account_ref": pa.string(),
        "resource_id": pa.string(),
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
        "vcpu": pa.decimal128(18, 6),
        "memory_mib": pa.int64(),
        "disk_mib": pa.int64(),
        "gpu": pa.decimal128(18, 6),
        "region": pa.string(),
    },
    read=read_interval,
    required_columns=[field.names for field in _INTERVALS.fields if field.required],
    json_sql=_INTERVALS.json_sql,
    table_sql=_INTERVALS.table_sql,
    reads_once=("json", "table"),
)

QUANTITIES = RecordSource(
    table="raw.quantities",
    columns={
        "record_id": pa.string(),
        "account_ref": pa.string(),
        "meter_id": pa.string(),
        "quantity": pa.decimal128(38, 16),
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
        "dimensions": pa.string(),
    },
    read=read_quantity,
    required_columns=[field.names for field in _QUANTITIES.fields if field.required],
    json_sql=_QUANTITIES.json_sql,
    table_sql=_QUANTITIES.table_sql,
    reads_once=("table",),
)
