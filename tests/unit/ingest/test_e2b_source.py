"""E2B events: every shape gives the same row, and every bad record one exact reason."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_examples import PAUSED, camel, execution, without
from ingest_zone import Zone

from ingest.sources.e2b import check_signature

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

FACTS = (
    "select event_id, event_type, occurred_at, sandbox_id, execution_id, template_id, build_id,"
    " team_id, metadata, started_at, vcpu, memory_mib, execution_ms, set_timeout_at, kill_reason"
    " from raw.e2b_events order by load_seq, record_number"
)
PAUSED_FACTS = {
    "event_id": PAUSED["id"],
    "event_type": "paused",
    "occurred_at": datetime(2026, 8, 1, 10, 10, 0, 900412, tzinfo=UTC),
    "sandbox_id": "ixk2v0m4demo",
    "execution_id": "c3b7a6d0-6a55-4b0f-8f53-0b1f4c2d9e11",
    "template_id": "base",
    "build_id": "0b7f",
    "team_id": "9d2e",
    "metadata": '{"customer":"acme","project":"p-17"}',
    "started_at": datetime(2026, 8, 1, 10, tzinfo=UTC),
    "vcpu": Decimal("2.000000"),
    "memory_mib": 512,
    "execution_ms": 600400,
    "set_timeout_at": None,
    "kill_reason": None,
}


def capture(event: Any, **headers: str) -> dict[str, Any]:
    body = event if isinstance(event, str) else json.dumps(event)
    return {"received_at": "2026-08-01T10:10:02Z", "headers": headers, "body": body}


@pytest.mark.parametrize(
    "record",
    [
        PAUSED,
        camel(PAUSED),
        capture(PAUSED),
        capture(camel(PAUSED)),
        PAUSED | {"event_data": json.dumps(PAUSED["event_data"])},
        {"id": "d1", "timestamp": "2026-08-01T10:10:02Z", "request_body": json.dumps(PAUSED)},
        PAUSED | {"timestamp": "2026-08-01T12:10:00.900412+02:00"},
        PAUSED | {"network": {"a": {"a": 1}}, "version": None},
        execution(vcpu_count=2.0, memory_mb="512"),
    ],
    ids=[
        "snake",
        "camel",
        "capture",
        "camel capture",
        "data as text",
        "delivery",
        "offset",
        "unknown keys",
        "odd numbers",
    ],
)
def test_every_json_shape_gives_the_same_row(zone: Zone, record: dict[str, Any]) -> None:
    zone.lines("e2b/a.jsonl", record)
    zone.load()
    assert zone.rows(FACTS) == [PAUSED_FACTS]


def clickhouse_row(event: dict[str, Any]) -> dict[str, Any]:
    columns = without(event, "event_data", "timestamp")
    return columns | {
        "timestamp": event["timestamp"].removesuffix("Z").replace("T", " "),
        "event_data": json.dumps(event.get("event_data")),
    }


def test_clickhouse_parquet_is_utc_and_its_event_data_is_text(zone: Zone, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([clickhouse_row(PAUSED)])
    moment = pa.array([1785579000900412345], pa.timestamp("ns"))
    table = table.set_column(table.column_names.index("timestamp"), "timestamp", moment)
    pq.write_table(table, tmp_path / "dump.parquet")
    zone.write("e2b/dump.parquet", (tmp_path / "dump.parquet").read_bytes())
    zone.load()
    assert zone.rows(FACTS) == [PAUSED_FACTS]
    raw = json.loads(zone.rows("from raw.e2b_events")[0]["raw"])
    assert raw["timestamp"] == "2026-08-01T10:10:00.900412345"
    assert raw["events_ttl_days"] == 7


def test_clickhouse_csv_with_null_event_data(zone: Zone) -> None:
    created = PAUSED | {"type": "sandbox.lifecycle.created", "event_data": None}
    row = clickhouse_row(created) | {"sandbox_build_id": r"\N"}
    header = ",".join(row)
    values = ",".join('"' + str(value).replace('"', '""') + '"' for value in row.values())
    zone.write("e2b/dump.csv", f"\ufeff{header}\r\n{values}\r\n")
    zone.load()
    (found,) = zone.rows(FACTS)
    assert (found["event_type"], found["metadata"], found["build_id"]) == ("created", None, None)
    assert found["occurred_at"] == PAUSED_FACTS["occurred_at"]


def test_legacy_events_get_an_id_from_what_they_say(zone: Zone) -> None:
    legacy = without(PAUSED, "id", "type")
    zone.lines("e2b/a.jsonl", legacy, camel(legacy))
    zone.lines("e2b/b.jsonl", clickhouse_row(PAUSED | {"type": ""}))
    zone.load()
    digest = hashlib.md5(
        b"9d2e|ixk2v0m4demo|c3b7a6d0-6a55-4b0f-8f53-0b1f4c2d9e11|paused|2026-08-01T10:10:00.900412Z"
    ).hexdigest()
    assert {row["event_id"] for row in zone.rows(FACTS)} == {f"legacy:{digest}"}


def test_legacy_rows_of_a_table_do_not_keep_the_id_that_the_database_made_up(zone: Zone) -> None:
    rows = [clickhouse_row(PAUSED | {"type": "", "id": made_up}) for made_up in ("x", "y")]
    text = ";".join(rows[0]) + "\n"
    for row in rows:
        text += ";".join('"' + str(value).replace('"', '""') + '"' for value in row.values()) + "\n"
    zone.write("e2b/dump.csv", text)
    zone.load()
    assert len(zone.rows(FACTS)) == 2
    assert len({row["event_id"] for row in zone.rows(FACTS)}) == 1


def test_capture_keeps_delivery_and_time_of_receipt(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", capture(PAUSED, **{"e2b-delivery-id": "d1"}), PAUSED)
    zone.load()
    captured, bare = zone.rows("from raw.e2b_events order by record_number")
    assert captured["delivery_id"] == "d1"
    assert (
        captured["known_at"]
        == captured["received_at"]
        == datetime(2026, 8, 1, 10, 10, 2, tzinfo=UTC)
    )
    assert bare["known_at"] == bare["occurred_at"]
    assert (bare["received_at"], bare["delivery_id"]) == (None, None)


def test_update_and_kill_carry_their_own_data(zone: Zone) -> None:
    update = PAUSED | {
        "type": "sandbox.lifecycle.updated",
        "event_data": {
            "set_timeout": "2026-08-01T11:00:00Z",
            "network_egress": {"allowed_cidrs": ["10.0.0.0/8"]},
        },
    }
    kill = PAUSED | {
        "type": "sandbox.lifecycle.killed",
        "event_data": PAUSED["event_data"] | {"kill_reason": "timeout"},
    }
    zone.lines("e2b/a.jsonl", update, kill, without(PAUSED, "event_data", "sandbox_execution_id"))
    zone.load()
    updated, killed, bare = zone.rows(FACTS)
    assert updated["set_timeout_at"] == datetime(2026, 8, 1, 11, tzinfo=UTC)
    assert (killed["kill_reason"], killed["execution_ms"]) == ("timeout", 600400)
    assert (bare["execution_id"], bare["vcpu"]) == ("", None)


# --- signatures ---

VECTOR_SECRET = "whsec_example"
VECTOR_BODY = (
    '{"id":"6f0a3c1e-4c1d-4b7a-9a6e-2f1d0c9b8a77","version":"v2","type":"sandbox.lifecycle.killed"}'
)
VECTOR = "mruRVtFiBbLE7I/WLJUU8EJX8KQxwhSQPhd5Y+n3mwo"


@pytest.mark.parametrize(
    "signature", [VECTOR, VECTOR + "=", "mruRVtFiBbLE7I_WLJUU8EJX8KQxwhSQPhd5Y-n3mwo"]
)
def test_signature_vector(signature: str) -> None:
    assert check_signature(signature, VECTOR_BODY, VECTOR_SECRET) == "verified"
    assert check_signature(signature, VECTOR_BODY, None) == "unverified"
    assert check_signature(None, VECTOR_BODY, VECTOR_SECRET) == "unsigned"
    with pytest.raises(ValueError, match="signature does not match"):
        check_signature(signature, VECTOR_BODY + " ", VECTOR_SECRET)


def signed(event: dict[str, Any], secret: str, safe: bool = False) -> dict[str, Any]:
    body = json.dumps(event)
    digest = hashlib.sha256(secret.encode() + body.encode()).digest()
    encoded = base64.urlsafe_b64encode(digest) if safe else base64.b64encode(digest)
    return capture(body, **{"e2b-signature": encoded.decode().rstrip("=")})


def test_signatures_of_captures(zone: Zone) -> None:
    zone.lines(
        "e2b/a.jsonl",
        signed(PAUSED, "s3"),
        signed(PAUSED | {"sandbox_id": "b"}, "s3", safe=True),
        signed(PAUSED, "other"),
        capture(PAUSED),
        {"received_at": "2026-08-01T10:10:02Z", "headers": {"E2B-Signature": "x"}, "body": PAUSED},
    )
    zone.load(secret="s3")
    found = zone.rows("select record_number, signature from raw.e2b_events order by 1")
    assert [(row["record_number"], row["signature"]) for row in found] == [
        (1, "verified"),
        (2, "verified"),
        (4, "unsigned"),
    ]
    assert zone.reasons() == [
        "signature does not match the body; check E2B_WEBHOOK_SECRET",
        "body is not the raw text that was signed; capture it as text",
    ]


def test_without_a_secret_signatures_are_unverified(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", signed(PAUSED, "s3"), capture(PAUSED))
    zone.load()
    found = zone.rows("select signature from raw.e2b_events order by record_number")
    assert [row["signature"] for row in found] == ["unverified", "unsigned"]


# --- reasons ---

BAD: list[tuple[Any, str]] = [
    (
        PAUSED | {"type": "sandbox.lifecycle.melted"},
        "unknown event type 'sandbox.lifecycle.melted'",
    ),
    (PAUSED | {"type": "paused"}, "unknown event type 'paused'"),
    (without(PAUSED, "type") | {"event_label": "melt"}, "unknown event label 'melt'"),
    (without(PAUSED, "type", "event_label"), "type is missing"),
    (without(PAUSED, "timestamp"), "occurred_at is missing"),
    (
        PAUSED | {"timestamp": "2026-08-01T10:10:00"},
        "occurred_at has no time zone: '2026-08-01T10:10:00'; write it like 2026-08-01T00:00:00Z",
    ),
    (
        PAUSED | {"timestamp": 1785571200},
        "occurred_at must be a time with a zone as text, not 1785571200",
    ),
    (
        PAUSED | {"timestamp": "2026-02-30T10:10:00Z"},
        "occurred_at is not a time: '2026-02-30T10:10:00Z'",
    ),
    (
        PAUSED | {"timestamp": "2026-08-01T10:10:60Z"},
        "occurred_at is not a time: '2026-08-01T10:10:60Z'",
    ),
    (without(PAUSED, "sandbox_id"), "sandbox_id is missing"),
    (PAUSED | {"sandbox_id": ["a"]}, "sandbox_id must be text, not ['a']"),
    (PAUSED | {"sandbox_id": "a\0b"}, "sandbox_id holds a NUL character"),
    (
        json.dumps(PAUSED | {"sandbox_id": "\ud800"}),
        "sandbox_id holds half of a surrogate pair, which is not text",
    ),
    (execution(memory_mb=-512), "memory_mib must not be negative: -512"),
    (execution(memory_mb=2**40), "memory_mib must be between 1 and 1073741824: 1099511627776"),
    (execution(memory_mb=512.5), "memory_mib must be a whole number, not 512.5"),
    (execution(vcpu_count=10**7), "vcpu must be above 0 and at most 65536: 10000000"),
    (execution(vcpu_count=0), "vcpu must be above 0 and at most 65536: 0"),
    (execution(vcpu_count=True), "vcpu must be a decimal number, not True"),
    (execution(execution_time=-1), "execution_ms must not be negative: -1"),
    (execution(execution_time="soon"), "execution_ms must be a whole number, not 'soon'"),
    (
        execution(started_at="2026-08-01"),
        "started_at has no time zone: '2026-08-01'; write it like 2026-08-01T00:00:00Z",
    ),
    (PAUSED | {"event_data": [1]}, "event_data must be an object"),
    (
        PAUSED | {"event_data": "{"},
        "event_data is not JSON: Expecting property name enclosed in double quotes at character 2",
    ),
    (PAUSED | {"event_data": {"execution": 5}}, "execution must be an object"),
    (PAUSED | {"event_data": {"sandbox_metadata": "x"}}, "sandbox_metadata must be an object"),
    (capture("not json"), "body is not JSON: Expecting value at character 1"),
    (capture('{"id": "un'), "body is not JSON: Unterminated string starting at character 8"),
    (capture([PAUSED]), "body is not one JSON object"),
    (capture(PAUSED) | {"received_at": "yesterday"}, "received_at is not a time: 'yesterday'"),
    (capture(PAUSED) | {"headers": 5}, "headers must be an object"),
    ('{"id":"a","id":"b"}', "record has the key 'id' twice"),
    (json.dumps(PAUSED)[:-9], "record is not JSON: "),
    (json.dumps(PAUSED)[:-1] + ",}", "record is not JSON: "),
    ('{"id": NaN}', "record is not JSON: NaN is not a number"),
    ("5", "record is not a JSON object"),
    ("[" * 100_000, "record is nested too deeply"),
]


def test_every_bad_record_costs_one_record_and_has_its_reason(zone: Zone) -> None:
    records = [value for bad, _ in BAD for value in (PAUSED, bad)]
    zone.lines("e2b/a.jsonl", *records)
    summary = zone.load()
    assert (summary.records, summary.quarantined) == (len(records), len(BAD))
    found = zone.rows("select record_number, reason, raw from ops.quarantine order by 1")
    assert [row["record_number"] for row in found] == [2 * n for n in range(1, len(BAD) + 1)]
    for row, (_, reason) in zip(found, BAD, strict=True):
        assert row["reason"].startswith(reason)
        assert row["raw"]
    assert zone.rows(FACTS) == [PAUSED_FACTS] * len(BAD)


def test_bytes_that_are_not_text_cost_one_record(zone: Zone) -> None:
    good = json.dumps(PAUSED).encode()
    nul = good.replace(b"ixk2", b"ix\0k2")
    zone.write("e2b/a.jsonl", b"\n".join([good, b'{"id":"\xff"}', nul, b"", good]))
    zone.load()
    assert len(zone.rows(FACTS)) == 2
    found = zone.rows("select record_number, reason, raw from ops.quarantine order by 1")
    assert [row["record_number"] for row in found] == [2, 3]
    assert found[0]["reason"] == "record is not valid UTF-8 at byte 8"
    assert found[0]["raw"] == '{"id":"\\xff"}'
    assert found[1]["reason"].startswith("record is not JSON: Invalid control character")
    assert "\\x00" in found[1]["raw"]


def test_a_start_that_was_left_out_is_none(zone: Zone) -> None:
    """Go writes it as year 1: a run from there would be 17 million hours, which no run can hold."""
    left_out, unix, real = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-08-01T10:00:00Z"
    zone.lines("e2b/a.jsonl", *(execution(started_at=time) for time in (left_out, unix, real)))
    zone.load()
    found = [row["started_at"] for row in zone.rows(FACTS)]
    assert found == [None, None, datetime(2026, 8, 1, 10, tzinfo=UTC)]
    assert zone.reasons() == []
