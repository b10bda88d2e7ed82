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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    MAX_CORES,
    MAX_MIB,
    OptionalRecordTime,
    OptionalText,
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
    started_at: OptionalRecordTime
    vcpu: Annotated[Decimal | None, optional_decimal(18, 6)]
    memory_mib: Annotated[int | None, optional_whole(1, MAX_MIB)]
    execution_ms: Annotated[int | None, optional_whole(0, MAX_EXECUTION_MS)]
    set_timeout_at: OptionalRecordTime
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
_ONE_PAIR = rf"\{{{_PAIR}\}}"

_HEADERS = ("e2b-webhook-id", "e2b-delivery-id", "e2b-signature-version", "e2b-signature")
_CAPTURE_TYPES = {
    "received_at": "VARCHAR",
    "headers": dict.fromkeys(_HEADERS, "VARCHAR"),
    "body": "VARCHAR",
}
_DATA_TYPES = {
    "sandbox_metadata": "JSON",
    "execution": {
        "started_at": "VARCHAR",
        "vcpu_count": "BIGINT",
        "memory_mb": "BIGINT",
        "execution_time": "BIGINT",
    },
    "kill_reason": "VARCHAR",
    "set_timeout": "VARCHAR",
}
# A payload's members in the order in which E2B writes them.
_WRITTEN = (
    "id",
    "version",
    "type",
    "timestamp",
    "event_category",
    "event_label",
    "event_data",
    "sandbox_id",
    "execution_id",
    "template_id",
    "build_id",
    "team_id",
)


@dataclass(frozen=True)
class _Casing:
    """The keys of a payload in one casing; `alias` is the struct of its values in SQL."""

    alias: str
    place: int
    ttl: str

    def key(self, column: str) -> str:
        return _NAMES[column][self.place] if column in _NAMES else column

    def value(self, column: str) -> str:
        return f"{self.alias}.{self.key(column)}"

    def read(self, document: str) -> str:
        """SQL of the struct of a payload's values; null when the text is no JSON."""
        types = {
            self.key(column): _DATA_TYPES if column == "event_data" else "VARCHAR"
            for column in _WRITTEN
        }
        return sql.values_of(document, types | {self.ttl: "BIGINT"})

    def written(self, quote: str) -> list[str]:
        """SQL texts that, joined, are the payload as E2B writes it, with `quote` for its quotes."""
        parts = [sql.literal("{")]
        for column in _WRITTEN:
            comma = "" if column == "id" else ","
            key, value = f"{comma}{quote}{self.key(column)}{quote}:", self.value(column)
            if column == "event_data":
                data = sql.joined(sql.literal(key), _written_data(value, "raw", quote))
                parts.append(f"case when {value} is not null then {data} end")
            else:
                parts += [sql.literal(key + quote), value, sql.literal(quote)]
        return [*parts, _member(self.ttl, f"{self.alias}.{self.ttl}", quote), "'}'"]


_SNAKE_CASE = _Casing("s", 0, "events_ttl_days")
_CAMEL_CASE = _Casing("k", -1, "eventsTtlDays")


def _member(key: str, value: str, quote: str, around: str = "", shown: str | None = None) -> str:
    """SQL text of a comma and one member of an object; null when its value is."""
    start, end = sql.literal(f",{quote}{key}{quote}:{around}"), sql.literal(around)
    return f"case when {value} is not null then {sql.joined(start, shown or value, end)} end"


def _written_object(members: Sequence[str]) -> str:
    return sql.joined("'{'", f"substring({sql.joined(*members)}, 2)", "'}'")


def _written_data(data: str, text: str, quote: str) -> str:
    """SQL text of event data as written: in the order of its meaning, or sorted by key.

    `data` is the struct of its values, `text` what shows which of the two it is.
    """
    metadata, execution = f"{data}.sandbox_metadata", f"{data}.execution"
    escaped = metadata if quote == '"' else f"replace({metadata}, '\"', {sql.literal(quote)})"

    def in_order(order: Callable[[Iterable[str]], Iterable[str]]) -> str:
        inside = [
            _member(key, f"{execution}.{key}", quote, quote if key == "started_at" else "")
            for key in order(_EXECUTION_KEYS)
        ]
        members = {
            "sandbox_metadata": _member("sandbox_metadata", metadata, quote, shown=escaped),
            "execution": _member("execution", execution, quote, shown=_written_object(inside)),
            "kill_reason": _member("kill_reason", f"{data}.kill_reason", quote, quote),
            "set_timeout": _member("set_timeout", f"{data}.set_timeout", quote, quote),
        }
        return _written_object([members[key] for key in order(_DATA_TYPES)])

    is_sorted = sql.literal(f"{{{quote}execution{quote}:{{{quote}execution_time{quote}:")
    return (
        f"case when {execution} is not null and contains({text}, {is_sorted})"
        f" then {in_order(sorted)} else {in_order(list)} end"
    )


def _written_capture(casing: _Casing) -> str:
    """SQL text of a capture as its values spell it; `gap` follows its outer colons and commas."""
    quote = '\\"'
    members = [
        f"case when c.headers.{sql.quoted(name)} is not null then "
        + sql.joined(
            "','", "gap", sql.literal(f'"{name}":'), "gap", "'\"'", f'c.headers."{name}"', "'\"'"
        )
        + " end"
        for name in _HEADERS
    ]
    return sql.joined(
        *("'{\"received_at\":'", "gap", "'\"'", "c.received_at", "'\",'", "gap"),
        *("'\"headers\":'", "gap", "'{'", f"substring({sql.joined(*members)}, 2 + strlen(gap))"),
        *("'},'", "gap", "'\"body\":'", "gap", "'\"'", *casing.written(quote), "'\"}'"),
    )


def _json_sql(con: duckdb.DuckDBPyConnection, origin: Origin) -> str:
    """From `batch`: captures opened, then payloads in either casing.

    A record is taken without further checks when what its values spell is the record itself,
    character for character: nothing else can be in it then. Others are checked piece by piece.
    """
    # As a variable: a secret has no place in the text of a query, which errors may show.
    con.execute("set variable e2b_webhook_secret = ?", [origin.secret])
    columns = [column for column in _NAMES if column not in ("event_data", *_UNUSED)]
    texts = [
        f"nullif(coalesce({_SNAKE_CASE.value(column)}, {_CAMEL_CASE.value(column)}), '')"
        f" as t_{column}"
        for column in columns
    ]
    return _typed_sql(
        f"""
        with captures as (
            select record_number, raw, {sql.values_of("raw", _CAPTURE_TYPES)} as c from batch
        ),
        bodies as (
            select record_number, raw, c, c.body is not null as is_capture,
                coalesce(c.body, raw) as body,
                case when starts_with(raw, '{{"received_at": ') then ' ' else '' end as gap
            from captures
        ),
        snake as (select *, {_SNAKE_CASE.read("body")} as s from bodies),
        camel as (
            select *,
                case when s.sandbox_id is null then {_CAMEL_CASE.read("body")} end as k
            from snake
        ),
        spelled as (
            select record_number, raw, is_capture, c, body,
                coalesce(s.event_data, k.eventData) as d, {", ".join(texts)},
                raw = case
                    when is_capture and s.sandbox_id is not null
                        then {_written_capture(_SNAKE_CASE)}
                    when is_capture then {_written_capture(_CAMEL_CASE)}
                    when s.sandbox_id is not null then {sql.joined(*_SNAKE_CASE.written('"'))}
                    else {sql.joined(*_CAMEL_CASE.written('"'))}
                end as is_spelled
            from camel
        ),
        texts as (
            select * exclude (c, body, is_spelled),
                case when is_capture then c.received_at end as t_received_at,
                nullif(c.headers."e2b-delivery-id", '') as t_delivery_id,
                {_signature_sql(origin.secret is not None)} as t_signature,
                case
                    when is_spelled then true
                    when is_capture and not coalesce({_is_simple_capture()}, false) then false
                    when {sql.strict_object("body")} is null then false
                    else {_is_simple_payload()}
                end as simple
            from spelled
        )
        """
    )


_UNUSED = ("event_category", "event_label")


def _is_simple_capture() -> str:
    """Whether a capture has its three keys once, plain lower-case headers, and no odd JSON."""
    keys = "json_keys(raw, '$.headers')"
    plain_keys = (
        f"len({keys}) = len(list_distinct({keys}))"
        f" and len(list_filter({keys}, lambda k: k <> lower(k))) = 0"
    )
    paths = [f'$.headers."{name}"' for name in ("e2b-delivery-id", "e2b-signature")]
    return (
        "list_sort(json_keys(raw)) = ['body', 'headers', 'received_at']"
        " and json_type(raw, ['$.received_at', '$.headers', '$.body'])"
        " = ['VARCHAR', 'OBJECT', 'VARCHAR']"
        f" and not contains(raw, '\\u') and not regexp_matches(raw, {sql.ODD_TOKENS})"
        " and not contains(json_extract(raw, '$.headers')::varchar, '\\')"
        f" and {plain_keys} and {sql.only_types('raw', paths, ['VARCHAR', 'NULL'])}"
    )


def _is_simple_payload() -> str:
    """Whether the strict JSON object `body` has known keys once, and values of the usual types."""
    keys = list(dict.fromkeys([*_SNAKE, *_CAMEL]))
    texts = [key for key in keys if key not in ("event_data", "eventData", *_SAID_ONCE)]
    nested = [f"$.{name}" for name in _NAMES["event_data"]]
    # Of the two names of the event data the keys allow only one.
    return f"""
        (({sql.keys_within("body", _SNAKE)}) or ({sql.keys_within("body", _CAMEL)}))
        and {sql.only_types("body", [f"$.{key}" for key in texts], ["VARCHAR", "NULL"])}
        and {sql.only_types("body", nested, ["OBJECT", "NULL"])}
        and {" and ".join(_is_simple_data("body", path) for path in nested)}
        """


def _is_simple_data(document: str, path: str) -> str:
    """Whether the event data at a path of strict JSON has known keys once, of the usual types."""
    texts = [f"{path}.{key}" for key in ("kill_reason", "set_timeout", "execution.started_at")]
    numbers = [f"{path}.execution.{key}" for key in ("vcpu_count", "memory_mb", "execution_time")]
    objects = [f"{path}.{key}" for key in ("sandbox_metadata", "execution")]
    # Beyond BIGINT a number would read as none.
    return f"""
        coalesce({sql.keys_within(document, _DATA_KEYS, path)}, true)
        and coalesce({sql.keys_within(document, _EXECUTION_KEYS, f"{path}.execution")}, true)
        and {sql.only_types(document, texts, ["VARCHAR", "NULL"])}
        and {sql.only_types(document, objects, ["OBJECT", "NULL"])}
        and {sql.only_types(document, numbers, ["UBIGINT", "BIGINT", "NULL"])}
        and not regexp_matches({document}, '[0-9]{{18}}')
        """


def _signature_sql(is_checked: bool) -> str:
    """The signature's state, null when it does not match: then the careful path compares.

    A file is at rest and the answer goes to nobody who could time it, so plain equality does.
    """
    given = "nullif(c.headers.\"e2b-signature\", '')"
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
        if column in _UNUSED:
            continue
        present = [
            f"nullif(nullif({sql.quoted(name)}, ''), '\\N')" for name in aliases if name in names
        ]
        chosen = f"coalesce({', '.join(present)})" if present else "cast(null as varchar)"
        if column == "timestamp":
            chosen = sql.naive_as_utc(chosen)
        elif column == "event_data":
            chosen = f"nullif({chosen}, 'null')"
        texts.append(f"{chosen} as t_{column}")
    is_plain = "body" not in names and "request_body" not in names
    no_nul = " and ".join(
        f"not coalesce(contains(t_{column}, chr(0)), false)"
        for column in ("id", "sandbox_id", "execution_id", "template_id", "build_id", "team_id")
    )
    return _typed_sql(
        f"""
        with chosen as (
            select {NUMBER} as record_number, {RAW} as raw, {", ".join(texts)} from fields
        ),
        opened as (select *, {sql.values_of("t_event_data", _DATA_TYPES)} as d from chosen),
        texts as (
            select * exclude (t_event_data), false as is_capture,
                cast(null as varchar) as t_received_at, cast(null as varchar) as t_delivery_id,
                'unsigned' as t_signature,
                {str(is_plain).lower()} and {no_nul} and case
                    when t_event_data is null then true
                    when t_event_data = {_written_data("d", "t_event_data", '"')} then true
                    when {sql.strict_object("t_event_data")} is null then false
                    else {_is_simple_data("t_event_data", "$")}
                end as simple
            from opened
        )
        """,
        naive_data=True,
    )


def _typed_sql(texts: str, naive_data: bool = False) -> str:
    """Typed columns and `ok` from `texts`: t_<column> texts, event data `d`, and `simple`."""
    started, timeout = "nullif(d.execution.started_at, '')", "nullif(d.set_timeout, '')"
    if naive_data:
        started, timeout = sql.naive_as_utc(started), sql.naive_as_utc(timeout)
    types = sql.text_list([TYPE_PREFIX + name for name in EVENT_TYPES])
    one, several = sql.literal(_ONE_PAIR), sql.literal(_METADATA)
    numbers = " and ".join(
        f"(d.execution.{key} is null or {column} is not null)"
        for key, column in (
            ("vcpu_count", "vcpu"),
            ("memory_mb", "memory_mib"),
            ("execution_time", "execution_ms"),
        )
    )
    return f"""
        {texts},
        typed as (
            select record_number, raw, simple, is_capture, d,
                {sql.typed_time("t_received_at")} as received_at,
                t_delivery_id as delivery_id, t_signature as signature, t_id as event_id,
                case when list_contains({types}, t_type)
                    then substring(t_type, {len(TYPE_PREFIX) + 1}) end as event_type,
                {sql.typed_time("t_timestamp")} as occurred_at,
                t_sandbox_id as sandbox_id, coalesce(t_execution_id, '') as execution_id,
                t_template_id as template_id, t_build_id as build_id, t_team_id as team_id,
                nullif(nullif(d.sandbox_metadata::varchar, 'null'), '{{}}') as t_metadata,
                case
                    when t_metadata is null then null
                    when regexp_full_match(t_metadata, {one}) then t_metadata
                    when not regexp_full_match(t_metadata, {several}) then null
                    when len(json_keys(t_metadata)) = len(list_distinct(json_keys(t_metadata)))
                        then '{{' || array_to_string(list_sort(
                            regexp_extract_all(t_metadata, {sql.literal(_PAIR)})), ',') || '}}'
                end as metadata,
                {started} as t_started_at, {sql.typed_time(started)} as started_at,
                case when d.execution.vcpu_count between 1 and {MAX_CORES}
                    then cast(d.execution.vcpu_count as decimal(18,6)) end as vcpu,
                case when d.execution.memory_mb between 1 and {MAX_MIB}
                    then d.execution.memory_mb end as memory_mib,
                case when d.execution.execution_time between 0 and {MAX_EXECUTION_MS}
                    then d.execution.execution_time end as execution_ms,
                {timeout} as t_set_timeout, {sql.typed_time(timeout)} as set_timeout_at,
                nullif(d.kill_reason, '') as kill_reason
            from texts
        )
        select record_number, raw, coalesce(received_at, occurred_at) as known_at,
            received_at, delivery_id, signature, event_id, event_type, occurred_at, sandbox_id,
            execution_id, template_id, build_id, team_id, metadata, started_at, vcpu, memory_mib,
            execution_ms, set_timeout_at, kill_reason,
            simple and event_id is not null and event_type is not null
            and occurred_at is not null and sandbox_id is not null and signature is not null
            and (not is_capture or received_at is not null)
            and (t_started_at is null) = (started_at is null)
            and (t_set_timeout is null) = (set_timeout_at is null)
            and (t_metadata is null) = (metadata is null)
            and {numbers}
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
    reads_once=("json", "table"),
)
