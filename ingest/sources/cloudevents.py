"""CloudEvents 1.0 in JSON: one document, lines, or a batch as an array.

An event is identified by its `source` and `id`; `subject` is the reference of its account, `type`
selects the meters. Of its data every number and truth value is kept as text, so that `12` and
`"12"` are the same; extension attributes stay in the record as it came. `time` may be left out by
the specification, but nothing else here could say when the event happened: an event without it is
refused (DECISIONS.md, D37).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import field_validator

from ingest import records as sql
from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.values import (
    OptionalText,
    Record,
    Text,
    Time,
    canonical_json,
    is_absent,
    parse_json,
    read_text,
    scalar_text,
    shown,
)

SPEC_VERSION = "1.0"

_COLUMN_OF = {
    "specversion": "specversion",
    "source": "event_source",
    "id": "event_id",
    "type": "event_type",
    "subject": "subject",
    "time": "occurred_at",
}
_JSON_CONTENT = re.compile(r"[^/;\s]+/([^/;\s]+\+)?json\s*(;.*)?", re.IGNORECASE)


class CloudEvent(Record):
    """The attributes of one event; its data is read beside them."""

    specversion: str
    source: Text
    id: Text
    type: Text
    subject: OptionalText
    time: Time

    @field_validator("specversion", mode="before")
    @classmethod
    def _one_version(cls, value: object) -> object:
        if is_absent(value):
            raise ValueError("is missing")
        if value != SPEC_VERSION:
            raise ValueError(f"must be '{SPEC_VERSION}', not {shown(value)}")
        return value


# --- The careful path -----------------------------------------------------------------------


def read_event(record: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    """The row of one event. Raises ValueError with the reason when it is not one."""
    event = CloudEvent.model_validate({name: record.get(name) for name in _COLUMN_OF})
    row = {column: getattr(event, name) for name, column in _COLUMN_OF.items()}
    del row["specversion"]
    return row | {"data": _data_text(record), "known_at": event.time}


def _data_text(record: Mapping[str, Any]) -> str:
    """The event's data as canonical JSON whose every scalar is text; '{}' without data."""
    data, encoded = record.get("data"), record.get("data_base64")
    if data is not None and encoded is not None:
        raise ValueError("data and data_base64 exclude each other")
    if encoded is not None:
        data = _decoded(encoded, record.get("datacontenttype"))
    try:
        return canonical_json({} if data is None else _as_texts(data))
    except RecursionError as error:
        raise ValueError("data is nested too deeply") from error


def _decoded(encoded: object, content_type: object) -> Any:
    """What data_base64 says; None when its content type says that it is not JSON."""
    if isinstance(content_type, str) and not _JSON_CONTENT.fullmatch(content_type.strip()):
        return None
    if not isinstance(encoded, str):
        raise ValueError(f"data_base64 must be text, not {shown(encoded)}")
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise ValueError("data_base64 is not base64 of UTF-8 text") from error
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"data_base64 {error}") from error


def _as_texts(value: object) -> object:
    """The value with scalars as text and without members that are null."""
    if isinstance(value, dict):
        return {
            _checked(key): _as_texts(inner) for key, inner in value.items() if inner is not None
        }
    if isinstance(value, list):
        return [None if inner is None else _as_texts(inner) for inner in value]
    return _checked(scalar_text(value))


def _checked(text: str) -> str:
    if text:
        try:
            read_text(text)
        except ValueError as error:
            raise ValueError(f"data {error}") from error
    return text


# --- The vectorised path --------------------------------------------------------------------

# A member of data that is canonical already but for the quotes around a number: keys whose order
# as text is the order of the pairs, no escapes, numbers as `scalar_text` would write them.
_KEY = r'"[^"\\\x00-!]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{0,17}[1-9]|-?[1-9][0-9]{0,17}|0"
_PAIR = rf'{_KEY}\s*:\s*(?:"[^"\\\x00-\x1f]*"|{_NUMBER}|true|false)'
_FLAT = rf"\{{\s*(?:{_PAIR}(?:\s*,\s*{_PAIR})*)?\s*\}}"


def _json_sql(_con: duckdb.DuckDBPyConnection, _origin: Origin) -> str:
    """From `batch`: events whose data is one flat object; the others go the careful path."""
    names = [*_COLUMN_OF, "data"]
    texts = ", ".join(
        f"{sql.json_text(f'j.{sql.quoted(name)}')} as t_{column}"
        for name, column in _COLUMN_OF.items()
    )
    are_texts = " and ".join(
        f"({sql.is_json_null(f'j.{sql.quoted(name)}')} or j.{sql.quoted(name)}[1] = '\"')"
        for name in _COLUMN_OF
    )
    plain = " and ".join(
        f"not coalesce(contains(t_{column}, chr(0)), false)" for column in _COLUMN_OF.values()
    )
    braces = " and ".join(
        f"length(raw) - length(replace(raw, '{brace}', '')) = 2" for brace in "{}"
    )
    # The parser prints numbers through double, so the data is taken from the text itself: with only
    # two braces of a kind, the one inner object is the data.
    data = sql.literal(r'"data"\s*:\s*(\{[^{}\\]*\})')
    bare = sql.literal(r":(-?[0-9.]+|true|false)$")
    return f"""
        with parsed as (
            select record_number, raw, {sql.opened("doc", names)} as j, json_keys(doc) as keys,
                {braces} as is_flat
            from (select *, {sql.strict_object("raw")} as doc from batch)
        ),
        texts as (
            select record_number, raw, {texts}, {are_texts} as simple, keys,
                {sql.is_json_null("j.data")} as has_no_data,
                case when is_flat and j.data[1] = '{{' then regexp_extract(raw, {data}, 1) end
                    as t_data
            from parsed
        ),
        typed as (
            select record_number, raw, t_specversion, t_event_source as event_source,
                t_event_id as event_id, t_event_type as event_type, t_subject as subject,
                {sql.typed_time("t_occurred_at")} as occurred_at, simple, keys, {plain} as plain,
                case
                    when has_no_data then '{{}}'
                    when regexp_full_match(t_data, {sql.literal(_FLAT)}) then
                        '{{' || array_to_string(list_sort(list_transform(
                            regexp_extract_all(t_data, {sql.literal(_PAIR)}),
                            lambda pair: regexp_replace(
                                regexp_replace(pair, '^("[^"]*")\\s*:\\s*', '\\1:'),
                                {bare}, ':"\\1"')
                        )), ',') || '}}'
                end as data
            from texts
        )
        select record_number, raw, occurred_at as known_at, event_source, event_id, event_type,
            subject, occurred_at, data,
            simple and plain and t_specversion = '{SPEC_VERSION}'
            and event_source is not null and event_id is not null and event_type is not null
            and occurred_at is not null and data is not null
            and len(keys) = len(list_distinct(keys))
            and not list_contains(keys, 'data_base64')
            and len(list_filter(keys, lambda key: key <> lower(key))) = 0
            and len(json_keys(data)) = len(list_distinct(json_keys(data)))
            as ok
        from typed
        """


EVENTS = RecordSource(
    table="raw.cloudevents",
    columns={
        "event_source": pa.string(),
        "event_id": pa.string(),
        "event_type": pa.string(),
        "subject": pa.string(),
        "occurred_at": TIMESTAMP,
        "data": pa.string(),
    },
    read=read_event,
    required_columns=[],
    json_sql=_json_sql,
    table_sql=None,
    reads_once=("json",),
)
