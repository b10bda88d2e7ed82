"""The vectorised path and the careful path give the same row for the same record, always."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_examples import (
    CLOUDEVENT,
    FOCUS_COST,
    GAUGE,
    INTERVAL,
    PAUSED,
    QUANTITY,
    SCALE_EVENT,
    SESSION,
    USAGE_PERIOD,
    USAGE_POLL,
    camel,
    without,
)

from ingest import records
from ingest.landing import RECORD_SOURCES
from ingest.schema import create_statements
from ingest.sources import e2b

pytestmark = pytest.mark.unit

# Values that are canonical, odd but valid, or wrong: what each path makes of them must agree.
TIMES = st.sampled_from(
    [
        "2026-08-01T10:10:00.900412345Z",
        "2026-08-01T10:10:00Z",
        "2026-08-01 10:10:00.5+05:30",
        "2026-08-01T10:10:00",
        "2026-08-01T23:59:60Z",
        "2026-08-01T24:00:00Z",
        "1969-12-31T23:59:59.9999999Z",
        "2024-02-29T00:00:00-14:00",
        "2026-02-29T00:00:00Z",
        "2026-08-01t10:10:00z",
        "2026-08-01T10:10Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-08-01",
        "2026-08-01T10:10:00+0200",
        "2026-08-01T10:10:00,5Z",
        " 2026-08-01T10:10:00Z",
        "２026-08-01T10:10:00Z",
    ]
)
NUMBERS = st.one_of(
    st.integers(-3, 10),
    st.integers(0, 2**70),
    st.decimals(0, 10**7, places=7).map(lambda number: f"{number:f}"),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["0", "00", "-0", "1.0", "1.50", "+1", "1e3", ".5", "5.", " 1", "١", "1_000"]),
)
GIBIBYTES = st.one_of(
    NUMBERS,
    st.integers(0, 2**31).map(lambda mib: f"{mib / 1024:f}"),
    st.integers(0, 5000).map(lambda mib: mib / 1024),
    st.sampled_from(["0.0009765625", "0.00048828125", "0.3", "0.50000000000", "1048576", "1e0"]),
)
MILLISECONDS = st.one_of(
    NUMBERS,
    st.integers(946_684_800_000 - 2, 946_684_800_000 + 2),
    st.integers(7_258_118_400_000 - 2, 7_258_118_400_000 + 2),
    st.sampled_from(
        [1785751200, 1785751200250000, "1785751200250", 1785751200250.0, 1785751200250.5, "1e12"]
    ),
)
TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "a", "null", '"', "\\", "\\N", "é", "\u2028", "\x7f", "a,}", ":NaN", "'"]),
)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    TIMES,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)

SIGNED = st.one_of(
    NUMBERS,
    st.decimals(-(10**20), 10**20, places=20).map(lambda number: f"{number:f}"),
    st.floats(),
    st.sampled_from(["-1.5", "--1", "-+1", "-", "1e-7", "-1e-400", "-0.0000000000000000001"]),
)
OBJECTS = st.one_of(
    ANYTHING,
    st.dictionaries(TEXTS, ANYTHING, max_size=3),
    st.sampled_from(
        [
            '{"a":"b"}',
            '{ "a" : 1 , "b" : null }',
            '{"a":1,"a":2}',
            '{"a":{"b":1}}',
            '{"a":[1]}',
            '{"a":"{"}',
            "{}",
            "{",
            "[]",
            '{"a":NaN}',
            '{"a":1} ',
            '{"a":01}',
            '{"a":"\\u0000"}',
        ]
    ),
)


def changed(
    record: dict[str, Any], values: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Any]:
    """The record with one to three of its values changed, dropped, or under an unknown key."""
    keys = st.sampled_from([*values, "unknown key", "size"])

    def apply(changes: dict[str, Any]) -> dict[str, Any]:
        result = record | changes
        return {key: value for key, value in result.items() if value != "DROP"}

    change = keys.flatmap(
        lambda key: st.tuples(
            st.just(key), st.one_of(values.get(key, ANYTHING), ANYTHING, st.just("DROP"))
        )
    )
    return st.lists(change, max_size=3).map(dict).map(apply)


FLAT = {
    "opencomputer/scale_events": changed(
        SCALE_EVENT,
        {
            "id": TEXTS,
            "memoryMB": NUMBERS,
            "memory_mb": NUMBERS,
            "cpuPercent": NUMBERS,
            "diskMB": NUMBERS,
            "startedAt": TIMES,
            "endedAt": TIMES,
            "orgId": TEXTS,
        },
    ),
    "daytona/usage_periods": changed(
        USAGE_PERIOD,
        {
            "sandboxId": TEXTS,
            "workspaceId": TEXTS,
            "startAt": TIMES,
            "endAt": TIMES,
            "cpu": NUMBERS,
            "gpu": NUMBERS,
            "gpuType": TEXTS,
            "mem": GIBIBYTES,
            "disk": GIBIBYTES,
            "storage": GIBIBYTES,
            "region": TEXTS,
        },
    ),
    "daytona/usage_polls": changed(
        USAGE_POLL,
        {"from": TIMES, "to": TIMES, "fetched_at": TIMES, "source": TEXTS, "response": ANYTHING},
    ),
    "vercel/sessions": changed(
        SESSION,
        {
            "id": TEXTS,
            "projectId": TEXTS,
            "memory": NUMBERS,
            "vcpus": NUMBERS,
            "status": TEXTS,
            "startedAt": MILLISECONDS,
            "stoppedAt": MILLISECONDS,
            "abortedAt": MILLISECONDS,
            "updatedAt": MILLISECONDS,
            "duration": NUMBERS,
            "timeout": ANYTHING,
            "networkPolicy": OBJECTS,
            "networkTransfer": st.one_of(
                OBJECTS,
                st.fixed_dictionaries({"ingress": ANYTHING}, optional={"egress": ANYTHING}),
            ),
        },
    ),
    "intervals": changed(
        INTERVAL,
        {
            "account_ref": TEXTS,
            "started_at": TIMES,
            "ended_at": TIMES,
            "vcpu": NUMBERS,
            "memory_mib": NUMBERS,
            "gpu": NUMBERS,
            "region": TEXTS,
        },
    ),
    "gauges": changed(
        GAUGE,
        {"sampled_at": TIMES, "fetched_at": TIMES, "resource_id": TEXTS, "bytes": NUMBERS},
    ),
    "quantities": changed(
        QUANTITY,
        {
            "record_id": TEXTS,
            "quantity": NUMBERS,
            "started_at": TIMES,
            "ended_at": TIMES,
            "region": TEXTS,
            "tier": NUMBERS,
        },
    ),
    "focus": changed(
        FOCUS_COST,
        {
            "ServiceProviderName": TEXTS,
            "ChargePeriodStart": TIMES,
            "ChargePeriodEnd": TIMES,
            "BillingPeriodStart": TIMES,
            "ChargeCategory": st.sampled_from(["Usage", "Tax", "usage", ""]),
            "ChargeClass": st.sampled_from(["Correction", "correction", "", None]),
            "BillingCurrency": st.sampled_from(["eur", "EURO", "é12"]),
            "BilledCost": SIGNED,
            "ConsumedQuantity": SIGNED,
            "ListCost": SIGNED,
            "Tags": OBJECTS,
            "SkuPriceDetails": OBJECTS,
        },
    ),
}

EXECUTIONS = changed(
    PAUSED["event_data"]["execution"],
    {"started_at": TIMES, "vcpu_count": NUMBERS, "memory_mb": NUMBERS, "execution_time": NUMBERS},
)
METADATA = st.dictionaries(
    st.one_of(TEXTS, st.text('ab! "', max_size=3)), st.one_of(TEXTS, ANYTHING), max_size=4
)
DATA = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            "sandbox_metadata": st.one_of(METADATA, ANYTHING),
            "execution": EXECUTIONS,
            "kill_reason": TEXTS,
            "set_timeout": TIMES,
        },
    ),
)
EVENTS = changed(
    PAUSED,
    {
        "event_data": DATA,
        "timestamp": TIMES,
        "id": TEXTS,
        "sandbox_execution_id": TEXTS,
        "sandboxId": TEXTS,
        "type": st.sampled_from(["sandbox.lifecycle.killed", "killed", "sandbox.lifecycle.x", ""]),
    },
)


def sorted_data(event: dict[str, Any]) -> dict[str, Any]:
    """The event with the keys of its data in the order of the alphabet, as some writers have it."""
    data = event.get("event_data")
    if not isinstance(data, dict):
        return event
    return event | {"event_data": json.loads(json.dumps(data, sort_keys=True))}


COMPACT, SPACED = (",", ":"), (", ", ": ")
CAPTURES = st.builds(
    lambda event, received, headers, separators, ascii_only: {
        "received_at": received,
        "headers": headers,
        "body": json.dumps(event, separators=separators, ensure_ascii=ascii_only),
    },
    st.one_of(EVENTS, EVENTS.map(camel), EVENTS.map(sorted_data)),
    st.one_of(TIMES, ANYTHING),
    st.one_of(
        st.dictionaries(
            st.sampled_from(["e2b-delivery-id", "E2B-Delivery-Id", "e2b-signature", "x"]),
            st.one_of(TEXTS, ANYTHING),
            max_size=3,
        ),
        st.fixed_dictionaries(
            {"e2b-webhook-id": TEXTS, "e2b-delivery-id": TEXTS},
            optional={"e2b-signature-version": TEXTS, "e2b-signature": st.one_of(TEXTS, ANYTHING)},
        ),
        ANYTHING,
    ),
    st.sampled_from([COMPACT, COMPACT, SPACED]),
    st.booleans(),
)
FLAT["e2b"] = st.one_of(EVENTS, EVENTS.map(camel), CAPTURES)

MEMBERS = st.dictionaries(
    st.one_of(TEXTS, st.sampled_from(["data", "a b", "a-b", "ä", "type"])),
    st.one_of(TEXTS, NUMBERS, ANYTHING),
    max_size=4,
)
CLOUDEVENTS = changed(
    CLOUDEVENT,
    {
        "specversion": st.sampled_from(["1.0", "0.3", 1.0, "", None]),
        "id": TEXTS,
        "source": TEXTS,
        "subject": TEXTS,
        "time": TIMES,
        "data": st.one_of(MEMBERS, ANYTHING),
        "data_base64": st.one_of(TEXTS, st.sampled_from(["eyJhIjoxLjUwfQ==", "e30="])),
        "datacontenttype": st.sampled_from(["application/json", "text/plain", "a/b+json", 1]),
        "Type": TEXTS,
        "traceparent": TEXTS,
    },
)
# What has no table: CloudEvents is a JSON format.
JSON_ONLY = {"cloudevents": CLOUDEVENTS}
EVERY = FLAT | JSON_ONLY

# What a JSON encoder would not write, for the careful path to judge.
SPOILED = st.sampled_from(
    [
        ("}", ",}"),
        (":", ": "),
        ('"', "'"),
        ("2", "NaN"),
        ("a", "\\u0061"),
        ("{", '{"id":"z",'),
        ("}", "}}"),
        ("0", "0.0"),
        ("e", "\t"),
        ("}", "}\x00"),
        # Inside of the body of a capture, and in its envelope.
        (':\\"', ':\\n\\"'),
        ('\\",', '\\",\\"id\\":\\"z\\",'),
        ("}}", "},}"),
        ('},"body', ',},"body'),
        ('"}', '","body":"{}"}'),
        (':\\"', ":"),
        ("60", "1e9"),
        ("60", "9" * 19),
    ]
)


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for statement in create_statements():
            con.execute(statement)
        yield con


def outcome(con: duckdb.DuckDBPyConnection, source: str, path: Path, family: str, few: int) -> Any:
    """Rows and reasons of a file, loaded with the vectorised path for more than `few` records."""
    table = RECORD_SOURCES[source].table
    con.execute(f"delete from {table}")
    before, records.FEW = records.FEW, few
    try:
        loaded = records.load_records(con, RECORD_SOURCES[source], path, family, 1, "s3")
    finally:
        records.FEW = before
    rows = con.execute(f"select * from {table} order by record_number").fetchall()
    return rows, loaded.bad


def test_every_source_of_records_is_compared() -> None:
    assert set(EVERY) == set(RECORD_SOURCES)


@pytest.mark.parametrize("source", sorted(EVERY))
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json(source: str, ascii_only: bool, tmp_path: Path) -> None:
    with warehouse() as con:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.lists(
                st.tuples(EVERY[source], st.none() | SPOILED, st.sampled_from([COMPACT, SPACED])),
                min_size=1,
                max_size=25,
            )
        )
        def check(drawn: list[tuple[Any, tuple[str, str] | None, tuple[str, str]]]) -> None:
            lines = []
            for record, spoil, separators in drawn:
                text = json.dumps(record, ensure_ascii=ascii_only, separators=separators)
                lines.append(text.replace(*spoil, 1) if spoil else text)
            path = tmp_path / "a.jsonl"
            path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
            assert outcome(con, source, path, "json", 0) == outcome(
                con, source, path, "json", 10**9
            )

        check()


@pytest.mark.parametrize("source", sorted(FLAT))
def test_csv(source: str, tmp_path: Path) -> None:
    import csv

    with warehouse() as con:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(FLAT[source], min_size=1, max_size=25))
        def check(drawn: list[dict[str, Any]]) -> None:
            names = {
                "e2b": PAUSED,
                "intervals": INTERVAL,
                "quantities": QUANTITY,
                "daytona/usage_periods": USAGE_PERIOD,
                "daytona/usage_polls": USAGE_POLL,
                "vercel/sessions": SESSION,
                "gauges": GAUGE,
                "focus": FOCUS_COST | {"Tags": None, "ChargeClass": None},
            }.get(source, SCALE_EVENT)
            header = sorted({*names, *(set().union(*drawn) & {"size", "unknown key", "region"})})
            path = tmp_path / "a.csv"
            with path.open("w", newline="", encoding="utf-8", errors="replace") as stream:
                writer = csv.DictWriter(stream, header, extrasaction="ignore")
                writer.writeheader()
                for record in drawn:
                    cells = {
                        key: json.dumps(value) if isinstance(value, dict | list) else value
                        for key, value in record.items()
                    }
                    writer.writerow(cells)
            assert outcome(con, source, path, "csv", 0) == outcome(con, source, path, "csv", 10**9)

        check()


def test_the_vectorised_path_takes_what_is_canonical(tmp_path: Path) -> None:
    """Else the tests above would compare the careful path with itself."""
    capture = {"received_at": "2026-08-01T10:11:00Z", "headers": {"e2b-delivery-id": "d"}}
    examples: dict[str, list[Any]] = {
        "e2b": [PAUSED, camel(PAUSED), capture | {"body": json.dumps(PAUSED)}],
        "opencomputer/scale_events": [SCALE_EVENT],
        "daytona/usage_periods": [
            USAGE_PERIOD,
            USAGE_PERIOD | {"mem": 0.5, "cpu": 1.5, "endAt": None},
            without(USAGE_PERIOD, "sandboxId", "disk") | {"workspaceId": "w", "storage": 2.0},
        ],
        "vercel/sessions": [
            SESSION,
            SESSION | {"vcpus": 0.5, "interactivePort": 22, "networkPolicy": {}},
            without(SESSION, "startedAt", "stoppedAt", "duration", "projectId", "networkTransfer"),
        ],
        "intervals": [INTERVAL, INTERVAL | {"vcpu": 0.25}],
        "focus": [FOCUS_COST, FOCUS_COST | {"ChargeClass": "Correction", "BilledCost": 1.5}],
        "quantities": [QUANTITY, QUANTITY | {"region": "us", "size": 5, "quantity": 0.1}],
        "cloudevents": [
            CLOUDEVENT,
            CLOUDEVENT | {"traceparent": "00-1", "data": {"n": -0.5, "zero": 0, "text": ""}},
            without(CLOUDEVENT, "data", "subject", "datacontenttype"),
            CLOUDEVENT | {"data": {}},
        ],
    }

    def refuse(*_: Any) -> Any:
        raise AssertionError("a canonical record went the careful path")

    with warehouse() as con:
        for source, examples_of_source in examples.items():
            path = tmp_path / "a.jsonl"
            path.write_text("\n".join(map(json.dumps, examples_of_source)))
            kept = RECORD_SOURCES[source]
            strict = records.RecordSource(**(vars(kept) | {"read": refuse}))
            before, records.FEW = records.FEW, 0
            try:
                loaded = records.load_records(con, strict, path, "json", 1, None)
            finally:
                records.FEW = before
            assert loaded.accepted == len(examples_of_source)


def test_a_load_leaves_the_optimizer_of_its_connection_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(PAUSED))
    monkeypatch.setattr(records, "FEW", 0)
    with warehouse() as con:
        assert records.load_records(con, e2b.EVENTS, path, "json", 1, None).accepted == 1
        assert con.sql("select current_setting('disabled_optimizers')").fetchall() == [("",)]


def test_what_e2b_writes_is_known_by_its_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captures and bare events as they come take neither the piecewise checks nor the careful path.

    For each: in either order of the event data, and captures with or without spaces outside.
    """
    killed = PAUSED | {"event_data": PAUSED["event_data"] | {"kill_reason": "timeout"}}
    updated = PAUSED | {"event_data": {"set_timeout": "2026-08-01T11:00:00Z"}}
    bare = [PAUSED, sorted_data(PAUSED), killed, sorted_data(killed), updated, camel(PAUSED)]
    bare += [{key: value for key, value in PAUSED.items() if key != "event_data"}]
    headers = {"e2b-webhook-id": "w", "e2b-delivery-id": "d", "e2b-signature-version": "v1"}
    lines = [json.dumps(event, separators=COMPACT) for event in bare]
    for separators in (COMPACT, SPACED):
        capture = {"received_at": "2026-08-01T10:11:00Z", "headers": headers}
        lines += [
            json.dumps(capture | {"body": line}, separators=separators)
            for line in lines[: len(bare)]
        ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    monkeypatch.setattr(e2b, "_is_simple_payload", lambda: "false")

    def refuse(*_: Any) -> Any:
        raise AssertionError("a record as E2B writes it was not known by its spelling")

    strict = records.RecordSource(**(vars(e2b.EVENTS) | {"read": refuse}))
    monkeypatch.setattr(records, "FEW", 0)
    with warehouse() as con:
        assert records.load_records(con, strict, path, "json", 1, None).accepted == len(lines)
