"""Scale events, intervals and quantities: JSON, CSV and Parquet give the same rows."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from ingest_examples import INTERVAL, QUANTITY, SCALE_EVENT, without
from ingest_zone import Zone

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

SCALE_FACTS = (
    "select event_id, sandbox_id, org_id, memory_mib, cpu_percent, disk_mib, started_at, ended_at,"
    " known_at from raw.opencomputer_scale_events order by load_seq, record_number"
)
START = datetime(2026, 8, 2, 8, tzinfo=UTC)
END = datetime(2026, 8, 2, 8, 20, 30, 500000, tzinfo=UTC)
SCALE_ROW = {
    "event_id": "a1",
    "sandbox_id": "sb-3f9a01",
    "org_id": "5c",
    "memory_mib": 4096,
    "cpu_percent": 100,
    "disk_mib": 40960,
    "started_at": START,
    "ended_at": END,
    "known_at": END,
}


def csv_text(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    lines = [delimiter.join(rows[0])]
    lines += [delimiter.join("" if v is None else str(v) for v in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def database_names(event: dict[str, Any]) -> dict[str, Any]:
    names = {
        "sandboxId": "sandbox_id",
        "orgId": "org_id",
        "memoryMB": "memory_mb",
        "cpuPercent": "cpu_percent",
        "diskMB": "disk_mb",
        "startedAt": "started_at",
        "endedAt": "ended_at",
    }
    return {names.get(key, key): value for key, value in event.items()}


def test_scale_events_in_every_format(zone: Zone, tmp_path: Path) -> None:
    zone.lines("opencomputer/scale_events/1.jsonl", SCALE_EVENT)
    zone.write("opencomputer/scale_events/2.json", json.dumps([SCALE_EVENT], indent=1))
    zone.write("opencomputer/scale_events/3.csv", csv_text([database_names(SCALE_EVENT)]))
    zone.write("opencomputer/scale_events/4.csv", csv_text([database_names(SCALE_EVENT)], ";"))
    text = json.dumps(database_names(SCALE_EVENT)).encode() + b"\n"
    zone.write("opencomputer/scale_events/deep/er/5.ndjson.gz", gzip.compress(text))
    zone.write("opencomputer/scale_events/6.jsonl.zst", zstandard.compress(text + text))
    typed = database_names(SCALE_EVENT) | {"started_at": START, "ended_at": END}
    table = pa.Table.from_pylist([typed])
    pq.write_table(table, tmp_path / "p")
    zone.write("opencomputer/scale_events/7.parquet", (tmp_path / "p").read_bytes())
    zone.load()
    assert zone.reasons() == []
    assert zone.rows(SCALE_FACTS) == [SCALE_ROW] * 8


def test_scale_event_defaults_and_open_end(zone: Zone) -> None:
    zone.lines(
        "opencomputer/scale_events/a.jsonl",
        without(SCALE_EVENT, "diskMB", "endedAt"),
        SCALE_EVENT | {"endedAt": None, "diskMB": 0},
    )
    zone.load()
    first, second = zone.rows(SCALE_FACTS)
    assert (first["disk_mib"], first["ended_at"], first["known_at"]) == (20480, None, START)
    assert (second["disk_mib"], second["ended_at"]) == (0, None)


def test_an_end_before_the_start_is_kept(zone: Zone) -> None:
    zone.lines(
        "opencomputer/scale_events/a.jsonl", SCALE_EVENT | {"endedAt": "2026-08-02T07:59:59.920Z"}
    )
    zone.lines("intervals/a.jsonl", INTERVAL | {"ended_at": "2026-07-31T00:00:00Z"})
    zone.load()
    assert zone.reasons() == []
    assert zone.rows(SCALE_FACTS)[0]["known_at"] == START


def test_scale_event_reasons(zone: Zone) -> None:
    bad = {
        "event_id is missing": without(SCALE_EVENT, "id"),
        "sandbox_id is missing": SCALE_EVENT | {"sandboxId": ""},
        "org_id is missing": SCALE_EVENT | {"orgId": None},
        "memory_mib is missing": without(SCALE_EVENT, "memoryMB"),
        "memory_mib must not be negative: -1": SCALE_EVENT | {"memoryMB": -1},
        "memory_mib must be between 1 and 1073741824: 0": SCALE_EVENT | {"memoryMB": 0},
        "cpu_percent must be a whole number, not 'x'": SCALE_EVENT | {"cpuPercent": "x"},
        "disk_mib must not be negative: -5": SCALE_EVENT | {"diskMB": -5},
        "started_at is missing": without(SCALE_EVENT, "startedAt"),
        "ended_at has no time zone: '2026-08-02T08:00:00';"
        " write it like 2026-08-01T00:00:00Z": SCALE_EVENT | {"endedAt": "2026-08-02T08:00:00"},
    }
    zone.lines("opencomputer/scale_events/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)


def test_intervals(zone: Zone) -> None:
    zone.lines("intervals/a.jsonl", INTERVAL, INTERVAL | {"vcpu": 1.250, "region": "eu"})
    zone.write("intervals/b.csv", csv_text([INTERVAL]))
    zone.load()
    first, second, third = zone.rows("from raw.intervals order by load_seq, record_number")
    for row in (first, third):
        assert (row["vcpu"], row["memory_mib"], row["disk_mib"]) == (Decimal("0.5"), 1024, None)
        assert row["ended_at"] == datetime(2026, 7, 31, 23, tzinfo=UTC)
        assert row["known_at"] == row["started_at"] == datetime(2026, 8, 1, tzinfo=UTC)
        assert row["gpu"] is None
    assert (second["vcpu"], second["region"]) == (Decimal("1.25"), "eu")


def test_interval_reasons(zone: Zone) -> None:
    bad = {
        "provider is missing": without(INTERVAL, "provider"),
        "resource_id must be text, not True": INTERVAL | {"resource_id": True},
        "vcpu must not be negative: -1": INTERVAL | {"vcpu": -1},
        "vcpu must not be above 65536: 65537": INTERVAL | {"vcpu": 65537},
        "vcpu has more than 6 decimal places: 0.1234567": INTERVAL | {"vcpu": 0.1234567},
        "gpu must not be above 65536: 70000": INTERVAL | {"gpu": "70000"},
        "gpu must be a decimal number, not 'A100'": INTERVAL | {"gpu": "A100"},
    }
    zone.lines("intervals/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)


def test_a_naive_parquet_column_has_no_zone(zone: Zone, tmp_path: Path) -> None:
    naive = INTERVAL | {"started_at": START.replace(tzinfo=None), "ended_at": None}
    pq.write_table(pa.Table.from_pylist([naive]), tmp_path / "p")
    zone.write("intervals/a.parquet", (tmp_path / "p").read_bytes())
    zone.load()
    assert zone.reasons() == [
        "started_at has no time zone: '2026-08-02T08:00:00'; write it like 2026-08-01T00:00:00Z"
    ]


def test_quantities_are_exact(zone: Zone, tmp_path: Path) -> None:
    exact = "1234567890123456789012.1234567890123456"
    with_number = json.dumps(QUANTITY).replace('"1.25"', exact)
    zone.lines("quantities/a.jsonl", with_number, QUANTITY | {"quantity": exact})
    zone.write("quantities/b.csv", csv_text([QUANTITY | {"quantity": exact}]))
    typed = QUANTITY | {"quantity": Decimal(exact), "started_at": START, "ended_at": END}
    pq.write_table(pa.Table.from_pylist([typed]), tmp_path / "p")
    zone.write("quantities/c.parquet", (tmp_path / "p").read_bytes())
    zone.lines("quantities/d.jsonl", json.dumps(QUANTITY).replace('"1.25"', "1e-5"))
    zone.load()
    assert zone.reasons() == []
    found = zone.rows("select quantity from raw.quantities order by load_seq, record_number")
    assert [row["quantity"] for row in found] == [Decimal(exact)] * 4 + [Decimal("0.00001")]


def test_other_columns_of_quantities_are_dimensions(zone: Zone) -> None:
    more = {"zone": "b", "model": 'x"y', "size": 4096, "share": 0.50, "none": None, "on": True}
    zone.lines("quantities/a.jsonl", QUANTITY | more, QUANTITY | {"size": 7, "zone": ""}, QUANTITY)
    zone.write("quantities/b.csv", csv_text([QUANTITY | {"zone": "b", "size": "", "a": "é"}]))
    zone.load()
    found = zone.rows("select dimensions from raw.quantities order by load_seq, record_number")
    assert [row["dimensions"] for row in found] == [
        '{"model":"x\\"y","on":"true","share":"0.5","size":"4096","zone":"b"}',
        '{"size":"7"}',
        "{}",
        '{"a":"é","zone":"b"}',
    ]


def test_quantity_reasons(zone: Zone) -> None:
    bad = {
        "account_ref is missing": without(QUANTITY, "account_ref"),
        "quantity must not be negative: -1": QUANTITY | {"quantity": -1},
        "quantity must be a decimal number, not 'lots'": QUANTITY | {"quantity": "lots"},
        "quantity has more than 16 decimal places: '0.12345678901234567'": QUANTITY
        | {"quantity": "0.12345678901234567"},
        "quantity is too large: '1e22'": QUANTITY | {"quantity": "1e22"},
        "ended_at is before started_at": QUANTITY | {"ended_at": "2026-07-01T00:00:00Z"},
        "ended_at is missing": without(QUANTITY, "ended_at"),
        "dimension region holds a NUL character": QUANTITY | {"region": "a\0"},
    }
    zone.lines("quantities/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)


def test_csv_rows_that_do_not_fit_the_header(zone: Zone) -> None:
    text = csv_text([QUANTITY])
    body = text.splitlines()[1]
    content = text.encode() + f"{body},more\n\n{body[:-4]}\xff\n".encode("latin-1") + b"a,b\n"
    content += body.replace("q1", '"q\n1"').encode()
    zone.write("quantities/a.csv", b"\xef\xbb\xbf" + content)
    zone.load()
    assert zone.reasons() == [
        "record has 7 columns, the header has 6",
        "record is not valid UTF-8",
        "record has 2 columns, the header has 6",
    ]
    found = zone.rows("select record_number, record_id, raw from raw.quantities order by 1")
    assert [(row["record_number"], row["record_id"]) for row in found] == [(1, "q1"), (5, "q\n1")]
    assert found[0]["raw"] == body
    assert found[1]["raw"] == body.replace("q1", '"q\n1"')


def test_time_left_out_is_no_time(zone: Zone) -> None:
    """An interval since year 1 would be 17.8 million hours, which no run can hold."""
    times = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z"]
    first = INTERVAL | {"started_at": "2000-01-01T00:00:00Z"}
    zone.lines("intervals/1.jsonl", *(INTERVAL | {"started_at": time} for time in times), first)
    zone.load()
    assert zone.reasons() == [
        f"started_at is before 2000, like a time left out: '{time}'" for time in times
    ]
    [row] = zone.rows("select started_at from raw.intervals")
    assert row == {"started_at": datetime(2000, 1, 1, tzinfo=UTC)}


def test_subscription_may_be_older_than_any_record(zone: Zone) -> None:
    header = "subscription_id,account_id,plan_id,started_at,ended_at,billing_anchor,spending_cap"
    zone.write("subscriptions.csv", f"{header},on_demand\ns1,a1,p1,1970-01-01T00:00:00Z,,,,\n")
    zone.load()
    assert zone.reasons() == []
