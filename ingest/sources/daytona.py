"""Daytona: the tables of usage periods, and answers of its usage API with the window asked for.

A period is one allocation of one sandbox. Its `mem` and `disk` are GiB, whatever the API's "GB"
says, and are kept as whole MiB; what is none is refused. Older dumps name the sandbox `workspaceId`
and have times without a zone, which are refused unless the settings say that they are UTC.

A poll is one answer, kept as one row: `totals` is a list of objects, one a sandbox (`sandbox_id` is
"" in an answer about the whole organisation), with the seconds as exact decimal texts. What the
answer does not say is left out: it is not told, and not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import duckdb
import pyarrow as pa
from pydantic import BeforeValidator, field_validator, model_validator

from ingest import records as sql
from ingest.reading import NUMBER, RAW
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
    is_absent,
    latest,
    optional_decimal,
    parse_json,
    read_decimal,
    read_text,
    refuse_absurd_cores,
    shown,
    whole_mib_of_gib,
)

# --- Periods --------------------------------------------------------------------------------

_PERIODS = FlatShape(
    fields=(
        Field("period_id", "text", ("id",), required=False),
        Field("sandbox_id", "text", ("sandboxId", "workspaceId", "sandbox_id", "workspace_id")),
        Field("organization_id", "text", ("organizationId", "organization_id")),
        Field("started_at", "time", ("startAt", "start_at")),
        Field("ended_at", "time", ("endAt", "end_at"), required=False),
        Field("vcpu", "decimal", ("cpu",), bounds=(18, 6)),
        Field("gpu", "decimal", ("gpu",), required=False, bounds=(18, 6)),
        Field("gpu_type", "text", ("gpu_type", "gpuType"), required=False),
        Field("memory_mib", "gibi", ("mem",), bounds=(0, MAX_MIB)),
        Field("disk_mib", "gibi", ("disk", "storage"), bounds=(0, MAX_MIB)),
        Field("region", "text", ("region",), required=False),
        Field("sandbox_class", "text", ("sandboxClass", "sandbox_class"), required=False),
        Field("region_type", "text", ("regionType", "region_type"), required=False),
    ),
    known_at="greatest(started_at, ended_at)",
    condition=f"vcpu <= {MAX_CORES} and coalesce(gpu <= {MAX_CORES}, true)",
)


class UsagePeriod(Record):
    """One usage period; vcpu and gpu in cores, memory and disk in MiB (read from GiB)."""

    period_id: OptionalText
    sandbox_id: Text
    organization_id: Text
    started_at: Time
    ended_at: OptionalTime
    vcpu: Annotated[Decimal, decimal(18, 6)]
    gpu: Annotated[Decimal | None, optional_decimal(18, 6)]
    gpu_type: OptionalText
    memory_mib: Annotated[int, whole_mib_of_gib(MAX_MIB)]
    disk_mib: Annotated[int, whole_mib_of_gib(MAX_MIB)]
    region: OptionalText
    sandbox_class: OptionalText
    region_type: OptionalText

    @model_validator(mode="after")
    def _no_absurd_size(self) -> UsagePeriod:
        refuse_absurd_cores(vcpu=self.vcpu, gpu=self.gpu)
        return self

    @property
    def known_at(self) -> datetime | None:
        """The record's own latest time."""
        return latest([self.started_at, self.ended_at])


def read_period(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one usage period. Raises ValueError with the reason when it is not one."""
    return _period_row(record, _PERIODS)


def read_period_naive_as_utc(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """As `read_period`, but a time without a zone is UTC."""
    return _period_row(record, _PERIODS_NAIVE_AS_UTC)


def _period_row(record: Mapping[str, Any], shape: FlatShape) -> dict[str, Any]:
    period = UsagePeriod.model_validate(
        shape.pick(record), context={"utc_if_naive": shape.naive_as_utc}
    )
    return period.model_dump() | {"known_at": period.known_at}


_PERIODS_NAIVE_AS_UTC = replace(_PERIODS, naive_as_utc=True)

USAGE_PERIODS = RecordSource(
    table="raw.daytona_usage_periods",
    columns={
        "period_id": pa.string(),
        "sandbox_id": pa.string(),
        "organization_id": pa.string(),
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
        "vcpu": pa.decimal128(18, 6),
        "gpu": pa.decimal128(18, 6),
        "gpu_type": pa.string(),
        "memory_mib": pa.int64(),
        "disk_mib": pa.int64(),
        "region": pa.string(),
        "sandbox_class": pa.string(),
        "region_type": pa.string(),
    },
    read=read_period,
    required_columns=[field.names for field in _PERIODS.fields if field.required],
    json_sql=_PERIODS.json_sql,
    table_sql=_PERIODS.table_sql,
    reads_once=("json", "table"),
)

# The same source under the setting that says that its times without a zone are UTC.
USAGE_PERIODS_NAIVE_AS_UTC = replace(
    USAGE_PERIODS,
    read=read_period_naive_as_utc,
    json_sql=_PERIODS_NAIVE_AS_UTC.json_sql,
    table_sql=_PERIODS_NAIVE_AS_UTC.table_sql,
)

# --- Polls ----------------------------------------------------------------------------------

AGGREGATED, SANDBOX = "daytona.aggregated", "daytona.sandbox"
# Width and places of a total: what a double prints, down to noise in sums below one second.
TOTAL_WIDTH, TOTAL_PLACES = 38, 18

_POLL_NAMES = {
    "source": ("source",),
    "organization_id": ("organization_id", "organizationId"),
    "window_start": ("from",),
    "window_end": ("to",),
    "fetched_at": ("fetched_at", "fetchedAt"),
    "response": ("response",),
}
# The response's name of each total that the raw table keeps.
_TOTALS = {
    "cpu_core_seconds": "totalCPUSeconds",
    "disk_gb_seconds": "totalDiskGBSeconds",
    "gpu_core_seconds": "totalGPUSeconds",
    "ram_gb_seconds": "totalRAMGBSeconds",
}


def _known_source(value: object) -> str:
    if value not in (AGGREGATED, SANDBOX):
        raise ValueError(f"must be {AGGREGATED} or {SANDBOX}, not {shown(value)}")
    return str(value)


class UsagePoll(Record):
    """One answer of the usage API: the window asked for, when, and the totals told."""

    source: Annotated[str, BeforeValidator(_known_source)]
    organization_id: Text
    window_start: Time
    window_end: Time
    fetched_at: Time
    totals: str

    @field_validator("window_end")
    @classmethod
    def _window_runs_forward(cls, window_end: datetime, info: Any) -> datetime:
        start = info.data.get("window_start")
        if start is not None and window_end <= start:
            raise ValueError("is not after window_start")
        return window_end

    @field_validator("fetched_at")
    @classmethod
    def _fetched_after_its_window_began(cls, fetched_at: datetime, info: Any) -> datetime:
        start = info.data.get("window_start")
        if start is not None and fetched_at <= start:
            raise ValueError("is not after window_start: such an answer holds no usage yet")
        return fetched_at


def read_poll(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one answer. Raises ValueError with the reason when it is not one."""
    given = {
        column: next((record[name] for name in names if not is_absent(record.get(name))), None)
        for column, names in _POLL_NAMES.items()
    }
    totals = "" if given["source"] not in (AGGREGATED, SANDBOX) else _totals(given)
    poll = UsagePoll.model_validate(given | {"totals": totals})
    return poll.model_dump() | {"known_at": poll.fetched_at}


def _totals(given: Mapping[str, Any]) -> str:
    """The answer's totals as JSON text: a list, one object a sandbox or the one of them all."""
    response = given["response"]
    if isinstance(response, str):
        # A table has no nested values: there the answer is its text.
        response = parse_json(response)
    if response is None:
        raise ValueError("response is missing")
    if given["source"] == AGGREGATED:
        if not isinstance(response, dict):
            raise ValueError(f"response must be one object, not {shown(response)}")
        return canonical_json([{"sandbox_id": ""} | _total(response)])
    parts = [response] if isinstance(response, dict) else response
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValueError("response must be a list of objects, one a sandbox")
    told = [{"sandbox_id": _sandbox(part)} | _total(part) for part in parts]
    ids = [each["sandbox_id"] for each in told]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise ValueError(f"response has the sandbox {shown(twice)} twice")
    return canonical_json(sorted(told, key=lambda each: each["sandbox_id"]))


def _sandbox(part: Mapping[str, Any]) -> str:
    try:
        return read_text(part.get("sandboxId"))
    except ValueError as error:
        raise ValueError(f"response sandboxId {error}") from error


def _total(part: Mapping[str, Any]) -> dict[str, str]:
    told = {}
    for column, name in _TOTALS.items():
        if is_absent(part.get(name)):
            continue
        try:
            told[column] = f"{read_decimal(part[name], TOTAL_WIDTH, TOTAL_PLACES):f}"
        except ValueError as error:
            raise ValueError(f"response {name} {error}") from error
    return told


_POLL_COLUMNS: dict[str, pa.DataType] = {
    "source": pa.string(),
    "organization_id": pa.string(),
    "window_start": TIMESTAMP,
    "window_end": TIMESTAMP,
    "fetched_at": TIMESTAMP,
    "totals": pa.string(),
}


def _nothing_is_canonical(number: str, raw: str, relation: str) -> str:
    """SQL that leaves every record to the careful path: answers are few, and nested."""
    columns = ", ".join(
        f"cast(null as {'varchar' if kind == pa.string() else 'timestamptz'}) as {column}"
        for column, kind in {"known_at": TIMESTAMP, **_POLL_COLUMNS}.items()
    )
    return f"select {number} as record_number, {raw} as raw, {columns}, false as ok from {relation}"


def _poll_json_sql(_con: duckdb.DuckDBPyConnection, _origin: Origin) -> str:
    return _nothing_is_canonical("record_number", "raw", "batch")


def _poll_table_sql(_names: Sequence[str]) -> str:
    return _nothing_is_canonical(sql.quoted(NUMBER), sql.quoted(RAW), "fields")


USAGE_POLLS = RecordSource(
    table="raw.daytona_usage_polls",
    columns=_POLL_COLUMNS,
    read=read_poll,
    required_columns=list(_POLL_NAMES.values()),
    json_sql=_poll_json_sql,
    table_sql=_poll_table_sql,
)
