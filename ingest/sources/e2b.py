"""E2B lifecycle events, in every shape they are met in.

Webhook captures (`received_at`, `headers`, `body`), bare payloads in snake_case or camelCase,
legacy records without `type` and `id`, the ClickHouse table of events (its times have no zone and
are UTC, its `event_data` is JSON text) and the delivery log (`request_body` replays the event).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import duckdb
import pyarrow as pa
from pydantic import field_validator

from ingest import records as sql
from ingest.reading import NUMBER, RAW
from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.values import (
    OptionalText,
    OptionalTime,
    Record,
    Text,
    Time,
    canonical_json,
    is_absent,
    optional_decimal,
    optional_whole,
    parse_json,
    read_text,
    read_time,
    scalar_text,
    shown,
)

TYPE_PREFIX = "sandbox.lifecycle."
EVENT_TYPES = ("created", "resumed", "updated", "checkpointed", "paused", "killed")
LEGACY_LABELS = {
    "create": "created",
    "resume": "resumed",
    "update": "updated",
    "checkpoint": "checkpointed",
    "pause": "paused",
    "kill": "killed",
}

MAX_CORES = 65_536
MAX_MIB = 2**30
# A hundred years: far beyond any run, and within BIGINT.
MAX_EXECUTION_MS = 100 * 366 * 86_400_000

# Column of the event: its snake_case and camelCase names.
_NAMES = {
    "id": ("id",),
    "type": ("type",),
    "timestamp": ("timestamp",),
    "event_category": ("event_category", "eventCategory"),
    "event_label": ("event_label", "eventLabel"),
    "event_data": ("event_data", "eventData"),
    "sandbox_id": ("sandbox_id", "sandboxId"),
    "execution_id": ("sandbox_execution_id", "sandboxExecutionId"),
    "template_id": ("sandbox_template_id", "sandboxTemplateId"),
    "build_id": ("sandbox_build_id", "sandboxBuildId"),
    "team_id": ("sandbox_team_id", "sandboxTeamId"),
}
_SAID_ONCE = ("version", "events_ttl_days", "eventsTtlDays")
_SNAKE = [*(names[0] for names in _NAMES.values()), *_SAID_ONCE]
_CAMEL = [*(names[-1] for names in _NAMES.values()), *_SAID_ONCE]
_DATA_KEYS = ("sandbox_metadata", "execution", "kill_reason", "set_timeout")
_EXECUTION_KEYS = ("started_at", "vcpu_count", "memory_mb", "execution_time")


class E2bEvent(Record):
    """One lifecycle event; memory in MiB, execution time in milliseconds."""

    event_type: str
    occurred_at: Time
    sandbox_id: Text
    event_id: Text
    execution_id: OptionalText
    template_id: OptionalText
    build_id: OptionalText
    team_id: OptionalText
    metadata: str | None
    started_at: OptionalTime
    vcpu: Annotated[Decimal | None, optional_decimal(18, 6)]
    memory_mib: Annotated[int | None, optional_whole(1, MAX_MIB)]
    execution_ms: Annotated[int | None, optional_whole(0, MAX_EXECUTION_MS)]
    set_timeout_at: OptionalTime
    kill_reason: OptionalText

    @field_validator("vcpu", mode="after")
    @classmethod
    def _no_absurd_size(cls, vcpu: Decimal | None) -> Decimal | None:
        if vcpu is not None and not 0 < vcpu <= MAX_CORES:
            raise ValueError(f"must be above 0 and at most {MAX_CORES}: {vcpu.normalize():f}")
        return vcpu


# --- The careful path -----------------------------------------------------------------------


def read_event(record: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The row of one event, whatever its shape. Raises ValueError with the reason."""
    if origin.is_table:
        record = {key: None if value == r"\N" else value for key, value in record.items()}
    if "body" in record and ("headers" in record or "received_at" in record):
        return _read_capture(record, origin)
    if "request_body" in record:
        return _read_delivery(record, origin)
    delivery = {"received_at": None, "delivery_id": None, "signature": "unsigned"}
    return _read_payload(record, origin.is_table, origin.is_table) | delivery


def _read_capture(record: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    headers = _headers(record.get("headers"), "headers")
    signature = check_signature(headers.get("e2b-signature"), record["body"], origin.secret)
    received_at = _optional(record.get("received_at"), "received_at", origin.is_table)
    row = _read_payload(_payload(record["body"], "body"), False, False)
    return _delivered(row, received_at, headers.get("e2b-delivery-id"), signature)


def _read_delivery(record: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    headers = _headers(record.get("request_headers"), "request_headers")
    body = record["request_body"]
    signature = check_signature(headers.get("e2b-signature"), body, origin.secret)
    received_at = _optional(record.get("timestamp"), "timestamp", origin.is_table)
    delivery_id = headers.get("e2b-delivery-id") or record.get("id")
    row = _read_payload(_payload(body, "request_body"), False, False)
    return _delivered(row, received_at, delivery_id, signature)


def _delivered(
    row: dict[str, Any], received_at: datetime | None, delivery_id: object, signature: str
) -> dict[str, Any]:
    return row | {
        "received_at": received_at,
        "known_at": received_at or row["occurred_at"],
        "delivery_id": None if is_absent(delivery_id) else read_text(delivery_id),
        "signature": signature,
    }


def _optional(value: object, field: str, utc_if_naive: bool) -> datetime | None:
    try:
        return None if is_absent(value) else read_time(value, utc_if_naive)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from error


def _headers(value: object, field: str) -> dict[str, Any]:
    if isinstance(value, str) and value:
        value = _parsed(value, field)
    if is_absent(value):
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{field} must be an object")
    headers = {}
    for name, content in value.items():
        single = content[0] if isinstance(content, list) and len(content) == 1 else content
        headers[name.lower()] = single
    return headers


def _payload(body: object, field: str) -> dict[str, Any]:
    parsed = _parsed(body, field) if isinstance(body, str) else body
    if not isinstance(parsed, dict):
        raise ValueError(f"{field} is not one JSON object")
    return parsed


def _parsed(text: str, field: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from error


def check_signature(header: object, body: object, secret: str | None) -> str:
    """'unsigned', 'unverified' (no secret to check with) or 'verified'.

    The signature is base64(SHA-256(secret || raw body)), in either alphabet, padded or not. Raises
    ValueError when it is wrong, or when the body is not the raw text that was signed.
    """
    if is_absent(header):
        return "unsigned"
    if secret is None:
        return "unverified"
    if not isinstance(body, str):
        raise ValueError("body is not the raw text that was signed; capture it as text")
    expected = hashlib.sha256(secret.encode() + body.encode("utf-8", "surrogatepass")).digest()
    if not hmac.compare_digest(expected, _decoded(header)):
        raise ValueError("signature does not match the body; check E2B_WEBHOOK_SECRET")
    return "verified"


def _decoded(header: object) -> bytes:
    text = str(header).strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read_payload(
    record: Mapping[str, Any], utc_if_naive: bool, from_table: bool
) -> dict[str, Any]:
    given = {column: _first(record, names) for column, names in _NAMES.items()}
    event_type = _event_type(given)
    data = _event_data(given["event_data"])
    execution = data.get("execution")
    if execution is None:
        execution = {}
    if not isinstance(execution, dict):
        raise ValueError("execution must be an object")
    # Legacy rows of a table dump have an id that the database made up: it is not stable.
    is_legacy = is_absent(given["id"]) or (from_table and is_absent(given["type"]))
    event = E2bEvent.model_validate(
        {
            "event_type": event_type,
            "occurred_at": given["timestamp"],
            "sandbox_id": given["sandbox_id"],
            "event_id": "legacy" if is_legacy else given["id"],
            "execution_id": given["execution_id"],
            "template_id": given["template_id"],
            "build_id": given["build_id"],
            "team_id": given["team_id"],
            "metadata": _metadata(data.get("sandbox_metadata")),
            "started_at": execution.get("started_at"),
            "vcpu": execution.get("vcpu_count"),
            "memory_mib": execution.get("memory_mb"),
            "execution_ms": execution.get("execution_time"),
            "set_timeout_at": data.get("set_timeout"),
            "kill_reason": data.get("kill_reason"),
        },
        context={"utc_if_naive": utc_if_naive},
    )
    row = event.model_dump() | {"execution_id": event.execution_id or ""}
    if is_legacy:
        row["event_id"] = _legacy_id(row)
    return row | {"known_at": event.occurred_at}


def _first(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((record[name] for name in names if not is_absent(record.get(name))), None)


def _event_type(given: Mapping[str, Any]) -> str:
    kind, label = given["type"], given["event_label"]
    if not is_absent(kind):
        name = kind.removeprefix(TYPE_PREFIX) if isinstance(kind, str) else ""
        if name not in EVENT_TYPES or name == kind:
            raise ValueError(f"unknown event type {shown(kind)}")
        return str(name)
    if given["event_category"] not in (None, "", "lifecycle"):
        raise ValueError(f"unknown event category {shown(given['event_category'])}")
    if is_absent(label):
        raise ValueError("type is missing")
    if not isinstance(label, str) or label not in LEGACY_LABELS:
        raise ValueError(f"unknown event label {shown(label)}")
    return LEGACY_LABELS[label]


def _event_data(value: object) -> dict[str, Any]:
    if isinstance(value, str) and value:
        value = _parsed(value, "event_data")
    if is_absent(value):
        return {}
    if not isinstance(value, dict):
        raise ValueError("event_data must be an object")
    return value


def _metadata(value: object) -> str | None:
    if is_absent(value) or value == {}:
        return None
    if not isinstance(value, dict):
        raise ValueError("sandbox_metadata must be an object")
    texts = {key: scalar_text(inner) for key, inner in value.items() if inner is not None}
    for key, text in texts.items():
        for part in (key, text):
            if part:
                try:
                    read_text(part)
                except ValueError as error:
                    raise ValueError(f"sandbox_metadata {error}") from error
    return canonical_json(texts) if texts else None


def _legacy_id(row: Mapping[str, Any]) -> str:
    parts = [
        row["team_id"] or "",
        row["sandbox_id"],
        row["execution_id"],
        row["event_type"],
        row["occurred_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    ]
    digest = hashlib.md5("|".join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"legacy:{digest}"


# --- The vectorised path --------------------------------------------------------------------

# Metadata that is flat text to text, without escapes, and with keys whose order as text is the
# order of the pairs.
_PAIR = r'"[^"\\\x00-!]*":"[^"\\]*"'
_METADATA = rf"\{{{_PAIR}(,{_PAIR})*\}}"


def _json_sql(con: duckdb.DuckDBPyConnection, origin: Origin) -> str:
    """From `batch`: captures opened first, then payloads in either casing."""
    # As a variable: a secret has no place in the text of a query, which errors may show.
    con.execute("set variable e2b_webhook_secret = ?", [origin.secret])
    either_casing = list(dict.fromkeys([*_SNAKE, *_CAMEL]))
    texts = []
    simple = []
    for column, names in _NAMES.items():
        values = [f"j.{sql.quoted(name)}" for name in names]
        if column == "event_data":
            texts.append(f"coalesce({', '.join(_not_null(value) for value in values)}) as t_data")
            continue
        texts.append(f"coalesce({', '.join(map(sql.json_text, values))}) as t_{column}")
        simple += [f"({sql.is_json_null(value)} or {value}[1] = '\"')" for value in values]
    return _typed_sql(
        f"""
        with captures as (
            select record_number, raw,
                case when contains(raw, '"body"') and contains(raw, '"received_at"')
                    and not contains(raw, '\\u') and json_valid(raw) then raw end as capture
            from batch
        ),
        opened as (
            select record_number, raw, capture is not null as is_capture,
                {sql.opened("capture", ["received_at", "headers", "body"])} as c,
                capture is null
                    or list_sort(json_keys(capture)) = ['body', 'headers', 'received_at'] as c_keys
            from captures
        ),
        bodies as (
            select record_number, raw, is_capture,
                case when is_capture then c.headers end as headers,
                case when is_capture then {sql.json_text("c.received_at")} end as t_received_at,
                c_keys and (not is_capture or (c.body[1] = '"' and c.received_at[1] = '"'
                    and c.headers[1] = '{{' and not contains(c.headers, '\\'))) as c_simple,
                case when is_capture then json_extract_string(c.body, '$') else raw end as body
            from opened
        ),
        payloads as (
            select record_number, raw, is_capture, t_received_at, body,
                case when c_simple then headers end as headers,
                case when c_simple then {sql.strict_object("body")} end as doc
            from bodies
        ),
        headed as (
            select *, {sql.opened("headers", ["e2b-signature", "e2b-delivery-id"])} as h,
                coalesce(len(json_keys(headers)) = len(list_distinct(json_keys(headers)))
                    and len(list_filter(json_keys(headers), lambda k: k <> lower(k))) = 0, true)
                    as h_simple
            from payloads
        ),
        parsed as (
            select record_number, raw, is_capture, t_received_at, body, h, h_simple,
                {sql.opened("doc", either_casing)} as j,
                doc is not null and (({sql.keys_within("doc", _SNAKE)})
                    or ({sql.keys_within("doc", _CAMEL)})) as j_simple
            from headed
        ),
        texts as (
            select record_number, raw, is_capture, t_received_at,
                {sql.json_text('h."e2b-delivery-id"')} as t_delivery_id,
                {_signature_sql(origin.secret is not None)} as t_signature,
                {", ".join(texts)},
                j_simple and h_simple and {" and ".join(simple)}
                    and {_is_text('h."e2b-delivery-id"')} and {_is_text('h."e2b-signature"')}
                    as simple
            from parsed
        )
        """
    )


def _not_null(value: str) -> str:
    return f"nullif({value}, 'null')"


def _is_text(value: str) -> str:
    return f"({sql.is_json_null(value)} or {value}[1] = '\"')"


def _signature_sql(is_checked: bool) -> str:
    """The signature's state, null when it does not match: then the careful path compares.

    A file is at rest and the answer goes to nobody who could time it, so plain equality does.
    """
    given = sql.json_text('h."e2b-signature"')
    if not is_checked:
        return f"case when {given} is null then 'unsigned' else 'unverified' end"
    expected = "to_base64(unhex(sha256(getvariable('e2b_webhook_secret') || body)))"
    normal = f"translate(rtrim({given}, '='), '-_', '+/')"
    return (
        f"case when {given} is null then 'unsigned'"
        f" when rtrim({expected}, '=') = {normal} then 'verified' end"
    )


def _table_sql(names: Sequence[str]) -> str:
    """From `fields`: the event table. Captures and deliveries in a table go the careful path."""
    texts = []
    for column, aliases in _NAMES.items():
        present = [
            f"nullif(nullif({sql.quoted(name)}, ''), '\\N')" for name in aliases if name in names
        ]
        chosen = f"coalesce({', '.join(present)})" if present else "cast(null as varchar)"
        if column == "timestamp":
            chosen = sql.naive_as_utc(chosen)
        alias = "t_data" if column == "event_data" else f"t_{column}"
        texts.append(f"{chosen} as {alias}")
    is_plain = "body" not in names and "request_body" not in names
    data = "t_data is null or t_data = 'null'"
    return _typed_sql(
        f"""
        with chosen as (
            select {NUMBER} as record_number, {RAW} as raw, {", ".join(texts)} from fields
        ),
        texts as (
            select * exclude (t_data), false as is_capture,
                cast(null as varchar) as t_received_at, cast(null as varchar) as t_delivery_id,
                'unsigned' as t_signature,
                case when not ({data}) then {sql.strict_object("t_data")} end as t_data,
                {str(is_plain).lower()} and (({data}) or {sql.strict_object("t_data")} is not null)
                    as simple
            from chosen
        )
        """,
        naive_data=True,
    )


def _typed_sql(texts: str, naive_data: bool = False) -> str:
    """Typed columns and `ok` from the relation `texts` of t_<column> texts and `simple`."""
    started, timeout = sql.json_text("x.started_at"), sql.json_text("d.set_timeout")
    if naive_data:
        started, timeout = sql.naive_as_utc(started), sql.naive_as_utc(timeout)
    types = sql.text_list([TYPE_PREFIX + name for name in EVENT_TYPES])
    pair = sql.literal(_PAIR)
    plain = [
        f"not coalesce(contains(t_{column}, chr(0)), false)"
        for column in ("id", "sandbox_id", "execution_id", "template_id", "build_id", "team_id")
    ]
    numbers = " and ".join(
        f"({sql.is_json_null(f'x.{key}')} or {column} is not null)"
        for key, column in (
            ("vcpu_count", "vcpu"),
            ("memory_mb", "memory_mib"),
            ("execution_time", "execution_ms"),
        )
    )
    return f"""
        {texts},
        opened_data as (
            select *, {sql.opened("t_data", _DATA_KEYS)} as d,
                t_data is null or (t_data[1] = '{{' and {sql.keys_within("t_data", _DATA_KEYS)})
                    as d_simple
            from texts
        ),
        opened_execution as (
            select * exclude (t_data), {_not_null("d.sandbox_metadata")} as t_metadata,
                {sql.opened("d.execution", _EXECUTION_KEYS)} as x,
                {sql.is_json_null("d.execution")} or (d.execution[1] = '{{'
                    and {sql.keys_within("d.execution", _EXECUTION_KEYS)}) as x_simple
            from opened_data
        ),
        typed as (
            select record_number, raw,
                {sql.typed_time("t_received_at")} as received_at,
                t_delivery_id as delivery_id, t_signature as signature, t_id as event_id,
                case when list_contains({types}, t_type)
                    then substring(t_type, {len(TYPE_PREFIX) + 1}) end as event_type,
                {sql.typed_time("t_timestamp")} as occurred_at,
                t_sandbox_id as sandbox_id, coalesce(t_execution_id, '') as execution_id,
                t_template_id as template_id, t_build_id as build_id, t_team_id as team_id,
                case when t_metadata = '{{}}' then null
                    when regexp_full_match(t_metadata, {sql.literal(_METADATA)})
                    then '{{' || array_to_string(
                        list_sort(regexp_extract_all(t_metadata, {pair})), ',') || '}}'
                    end as metadata,
                t_metadata, x_simple and d_simple and simple as simple,
                {started} as t_started_at, {sql.typed_time(started)} as started_at,
                cast({sql.typed_whole("x.vcpu_count", 1, MAX_CORES)} as decimal(18,6)) as vcpu,
                {sql.typed_whole("x.memory_mb", 1, MAX_MIB)} as memory_mib,
                {sql.typed_whole("x.execution_time", 0, MAX_EXECUTION_MS)} as execution_ms,
                {timeout} as t_set_timeout, {sql.typed_time(timeout)} as set_timeout_at,
                {sql.json_text("d.kill_reason")} as kill_reason,
                {_is_text("d.kill_reason")} and {_is_text("d.set_timeout")}
                    and {_is_text("x.started_at")} as data_texts,
                is_capture,
                {" and ".join(plain)} and {numbers} as plain
            from opened_execution
        )
        select record_number, raw, coalesce(received_at, occurred_at) as known_at,
            received_at, delivery_id, signature, event_id, event_type, occurred_at, sandbox_id,
            execution_id, template_id, build_id, team_id, metadata, started_at, vcpu, memory_mib,
            execution_ms, set_timeout_at, kill_reason,
            simple and plain and data_texts and event_id is not null and event_type is not null
            and occurred_at is not null and sandbox_id is not null and signature is not null
            and (not is_capture or received_at is not null)
            and (t_started_at is null) = (started_at is null)
            and (t_set_timeout is null) = (set_timeout_at is null)
            and (metadata is not null or coalesce(t_metadata, '{{}}') = '{{}}')
            and coalesce(len(json_keys(metadata)) = len(list_distinct(json_keys(metadata))), true)
            as ok
        from typed
        """


EVENTS = RecordSource(
    table="raw.e2b_events",
    columns={
        "received_at": TIMESTAMP,
        "delivery_id": pa.string(),
        "signature": pa.string(),
        "event_id": pa.string(),
        "event_type": pa.string(),
        "occurred_at": TIMESTAMP,
        "sandbox_id": pa.string(),
        "execution_id": pa.string(),
        "template_id": pa.string(),
        "build_id": pa.string(),
        "team_id": pa.string(),
        "metadata": pa.string(),
        "started_at": TIMESTAMP,
        "vcpu": pa.decimal128(18, 6),
        "memory_mib": pa.int64(),
        "execution_ms": pa.int64(),
        "set_timeout_at": TIMESTAMP,
        "kill_reason": pa.string(),
    },
    read=read_event,
    required_columns=[],
    json_sql=_json_sql,
    table_sql=_table_sql,
)
