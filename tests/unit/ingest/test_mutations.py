"""Valid records of every source, spoiled in every way: nothing is raised, lost or told twice.

Each example is a landing zone with one file of each source and shape, in which some records are
spoiled. Each record that was left alone must be loaded; each other one is loaded or is in the
quarantine with a reason. The examples are the same in every run.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
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
)
from ingest_zone import Zone

from ingest import records
from ingest.landing import RECORD_SOURCES
from ingest.sources.accounts import REFERENCE_FILES
from ingest.sources.stripe import OBJECTS
from tests.mutations import ODD_VALUES, few, seeds, spoil_text, spoil_values

pytestmark = pytest.mark.unit

# Of which each example takes as many as this, a file each.
GOOD = 6

Make = Callable[[int], dict[str, Any]]


def capture(number: int) -> dict[str, Any]:
    return {
        "received_at": "2026-08-01T10:10:02Z",
        "headers": {"e2b-delivery-id": f"d{number}"},
        "body": json.dumps(PAUSED | {"id": f"k{number}"}),
    }


def listing(number: int) -> dict[str, Any]:
    contents = [{"Key": f"mounts/p{number}/m/a", "Size": 5, "ETag": '"9b-3"'}]
    return {
        "sampled_at": f"2026-08-{number + 1:02}T00:00:00Z",
        "bucket": "b",
        "prefix": "mounts/",
        "complete": True,
        "Contents": contents,
    }


# What makes the n-th good record of a file; the name under which it is found again is `k<n>`.
JSON_RECORDS: dict[str, Make] = {
    "e2b/bare": lambda n: PAUSED | {"id": f"k{n}"},
    "e2b/camel": lambda n: camel(PAUSED | {"id": f"k{n}"}),
    "e2b/capture": capture,
    "opencomputer/scale_events/a": lambda n: SCALE_EVENT | {"id": f"k{n}"},
    "daytona/usage_periods/a": lambda n: USAGE_PERIOD | {"sandboxId": f"k{n}"},
    "daytona/usage_polls/a": lambda n: USAGE_POLL | {"organization_id": f"k{n}"},
    "intervals/a": lambda n: INTERVAL | {"record_id": f"k{n}"},
    "quantities/a": lambda n: QUANTITY | {"record_id": f"k{n}"},
    "gauges/a": lambda n: GAUGE | {"resource_id": f"k{n}"},
    "vercel/sessions/a": lambda n: SESSION | {"id": f"k{n}"},
    "focus/a": lambda n: FOCUS_COST | {"ResourceId": f"k{n}"},
    "cloudevents/a": lambda n: CLOUDEVENT | {"id": f"k{n}"},
    "storage/listings/a": listing,
    **{
        f"stripe/{kind}/a": lambda n: {"id": f"k{n}", "created": 1785571200, "amount": 5}
        for kind in OBJECTS
    },
}
TABLE_RECORDS: dict[str, Make] = {
    name: make
    for name, make in JSON_RECORDS.items()
    if name.split("/a")[0] in RECORD_SOURCES
    and name not in ("daytona/usage_polls/a", "cloudevents/a")
}
AT = "2026-01-01T00:00:00Z"
REFERENCES: dict[str, Make] = {
    "accounts": lambda n: {"account_id": f"k{n}", "name": "A", "timezone": "Europe/Berlin"},
    "account_links": lambda n: {
        "provider": "e2b",
        "match_key": "project",
        "match_value": f"k{n}",
        "account_id": "a",
        "valid_from": AT,
    },
    "subscriptions": lambda n: {
        "subscription_id": f"k{n}",
        "account_id": f"a{n}",
        "plan_id": "pro",
        "started_at": AT,
        "spending_cap": "10.5",
    },
    "credits": lambda n: {
        "credit_id": f"k{n}",
        "account_id": "a",
        "amount": "5.00",
        "category": "paid",
        "priority": "1",
        "effective_at": AT,
    },
    "corrections": lambda n: {
        "correction_id": f"k{n}",
        "record_id": "q",
        "action": "void",
        "quantity": "",
        "reason": "twice",
        "requested_by": "Ada",
        "requested_at": f"2026-01-{n + 1:02}T00:00:00Z",
    },
    "exchange_rates": lambda n: {
        "rate_date": f"2026-01-{n + 1:02}",
        "from_currency": "eur",
        "to_currency": "usd",
        "rate": "1.08",
    },
}


def test_every_source_is_spoiled() -> None:
    """Else a new source would not be."""
    named = {name.rpartition("/")[0] for name in JSON_RECORDS}
    stripe = {f"stripe/{kind}" for kind in OBJECTS}
    assert named == {*RECORD_SOURCES, "storage/listings", *stripe}
    assert {*REFERENCES} == {*REFERENCE_FILES}


# --- Spoiling -----------------------------------------------------------------------------------

Told = tuple[bytes, list[str]]
"""A file, and the texts of its good records."""


def line_of(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def json_lines(random: Random, make: Make) -> Told:
    """Good lines with spoiled ones between them; the first says that the file is one of lines."""
    lines, good = [], []
    for number in range(GOOD):
        for _ in range(random.randrange(3) if number else 0):
            if random.random() < 0.5:
                lines.append(line_of(spoil_values(random, make(number))))
            else:
                lines.append(spoil_text(random, line_of(make(number))))
        lines.append(line_of(make(number)))
        good.append(json.dumps(make(number)))
    return random.choice([b"\n", b"\r\n"]).join(lines), good


def json_array(random: Random, make: Make) -> Told:
    """Good and odd elements; what breaks the array is in no element."""
    values: list[Any] = []
    for number in range(GOOD):
        values += [make(number), spoil_values(random, make(number)), random.choice(ODD_VALUES)]
    return json.dumps(values).encode(), [json.dumps(make(number)) for number in range(GOOD)]


def csv_file(random: Random, make: Make) -> Told:
    """Good rows with spoiled ones between; none leaves a quote open, which would hide the rest."""
    lines, good = [csv_text([*make(0)]).encode()], []
    for number in range(GOOD):
        row = [_cell(value) for value in make(number).values()]
        for _ in range(random.randrange(3)):
            text = _spoiled_row(random, row)
            if text.decode("utf-8", "surrogateescape").strip():
                lines.append(text)
        lines.append(csv_text(row).encode())
        good.append(csv_text(row))
    return random.choice([b"\n", b"\r\n"]).join(lines), good


def _spoiled_row(random: Random, row: list[str]) -> bytes:
    other = [*row]
    other[random.randrange(len(other))] = _cell(random.choice(ODD_VALUES))
    text = csv_text(other).encode("utf-8", "surrogatepass")
    unquoted = text.replace(b'"', b"")
    ways = [text, text + b",more", unquoted, unquoted[: random.randrange(len(text))]]
    ways += [b"\xff" + unquoted, text + b"\0", b"," * len(row)]
    return random.choice(ways)


def csv_text(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


# --- What must hold -----------------------------------------------------------------------------


class Example:
    """A zone of its own, removed at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.zone = Zone(self.folder)

    def __enter__(self) -> Zone:
        return self.zone

    def __exit__(self, *_: object) -> None:
        self.zone.con.close()
        shutil.rmtree(self.folder)


def assert_every_bad_record_has_its_reason(zone: Zone) -> None:
    rows = zone.rows("select reason, raw, record_number from ops.quarantine")
    assert [row for row in rows if not (row["reason"] or "").strip()] == []
    assert [row for row in rows if "\n" in row["reason"] or len(row["reason"]) > 400] == []
    # Only a file that cannot be read at all has neither number nor text, and these all can be.
    assert [row for row in rows if row["record_number"] is None or row["raw"] is None] == []


def assert_good_records_are_loaded(zone: Zone, good: dict[str, list[str]]) -> None:
    """Each good record stands in a raw table as often as its file told it, or more."""
    for file, texts in good.items():
        (load,) = zone.rows(f"select load_seq, source from ops.loads where file = '{file}'")
        table = _table_of(load["source"])
        rows = zone.rows(f"select raw from {table} where load_seq = {load['load_seq']}")
        assert Counter(texts) - Counter(row["raw"] for row in rows) == Counter(), file


def assert_good_listings_are_counted_or_told(zone: Zone) -> None:
    """A spoiled document that does not say of when belongs to the listing before, and spoils it."""
    counted = {row["project_id"] for row in zone.rows("from raw.storage_samples")}
    told = {row["raw"] for row in zone.rows("from ops.quarantine where source like 'storage/%'")}
    for number in range(GOOD):
        assert f"p{number}" in counted or json.dumps(listing(number)) in told


def _table_of(source: str) -> str:
    if source in RECORD_SOURCES:
        return RECORD_SOURCES[source].table
    if source in REFERENCE_FILES:
        return REFERENCE_FILES[source].table
    return "raw.stripe_objects"


@contextmanager
def path_of(random: Random) -> Iterator[None]:
    """Records go to the database first, or none does."""
    before, records.FEW = records.FEW, random.choice([0, 10**9])
    try:
        yield
    finally:
        records.FEW = before


@few(12)
@given(seed=seeds)
@pytest.mark.parametrize("shape", ["lines", "array", "table"])
def test_spoiled_records_cost_nothing_but_themselves(shape: str, seed: int) -> None:
    random = Random(seed)
    write = {"lines": json_lines, "array": json_array, "table": csv_file}[shape]
    suffix = "csv" if shape == "table" else random.choice(["json", "jsonl", "ndjson"])
    good: dict[str, list[str]] = {}
    with Example() as zone, path_of(random):
        for name, make in (TABLE_RECORDS if shape == "table" else JSON_RECORDS).items():
            content, good[f"{name}.{suffix}"] = write(random, make)
            zone.write(f"{name}.{suffix}", content)
        # Counts of loads, raw tables and quarantine are compared by `load`, file by file.
        zone.load(secret=random.choice([None, "s3"]))
        assert_every_bad_record_has_its_reason(zone)
        if shape != "table":
            del good[f"storage/listings/a.{suffix}"]
            assert_good_listings_are_counted_or_told(zone)
        assert_good_records_are_loaded(zone, good)
        assert zone.load().loads == []


@few(20)
@given(seed=seeds)
def test_spoiled_reference_files_cost_nothing_but_their_records(seed: int) -> None:
    random = Random(seed)
    good: dict[str, list[str]] = {}
    with Example() as zone:
        for name, make in REFERENCES.items():
            content, texts = csv_file(random, make)
            zone.write(f"{name}.csv", content)
            good[f"{name}.csv"] = texts
        zone.load()
        assert_every_bad_record_has_its_reason(zone)
        # A spoiled record may come before the good one and have its identity: that one repeats it.
        # Or it may have its account and begin earlier: that one overlaps it.
        displaced = zone.rows(
            "select file, raw from ops.quarantine where reason like '%repeats record%'"
            " or reason like '%contradicts record%' or reason like '%overlaps subscription%'"
        )
        for row in displaced:
            if row["raw"] in good[row["file"]]:
                good[row["file"]].remove(row["raw"])
        assert_good_records_are_loaded(zone, good)


@few(25)
@given(seed=seeds)
def test_a_spoiled_inventory_is_rejected_whole_or_counted(seed: int) -> None:
    random = Random(seed)
    rows = [f'"b","mounts/p{number}/m/a%20b","{number}"' for number in range(GOOD)]
    data = "".join(f"{row}\n" for row in rows).encode()
    told = {
        "sourceBucket": "b",
        "version": "2016-11-30",
        "creationTimestamp": "1785715200000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
    }
    if random.random() < 0.5:
        data = spoil_text(random, data)
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    entry = {"key": "b/c/data/a.csv", "size": len(data), "MD5checksum": digest}
    manifest = told | {"files": [entry]}
    text = line_of(manifest)
    if random.random() < 0.7:
        spoiled = spoil_values(random, manifest)
        text = random.choice([line_of(spoiled), spoil_text(random, text)])
    with Example() as zone:
        folder = "storage/inventory/b/c/2026-08-03T00-00Z"
        zone.write("storage/inventory/b/c/data/a.csv", data)
        zone.write(f"{folder}/manifest.json", text)
        checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
        zone.write(f"{folder}/manifest.checksum", checksum)
        zone.load()
        rejected = zone.rows("select reason from ops.quarantine")
        counted = zone.rows("select project_id from raw.storage_samples")
        assert len(rejected) == 1 if not counted else rejected == []
        assert all(row["reason"] for row in rejected)


@few(25)
@given(seed=seeds)
def test_spoiled_bytes_of_parquet_and_compressed_files(seed: int) -> None:
    """Of what cannot be read whole nothing is loaded; what can is loaded record by record."""
    random = Random(seed)
    written = io.BytesIO()
    names = [f"k{number}" for number in range(50)]
    pq.write_table(
        pa.Table.from_pylist([QUANTITY | {"record_id": name} for name in names]), written
    )
    lines = b"\n".join(line_of(QUANTITY | {"record_id": name}) for name in names)
    whole = {
        "a.parquet": written.getvalue(),
        "a.jsonl.gz": gzip.compress(lines, mtime=0),
        "a.jsonl.zst": zstandard.ZstdCompressor().compress(lines),
    }
    with Example() as zone:
        for name, content in whole.items():
            spoiled = bytearray(content)
            for _ in range(random.randint(1, 4)):
                spoiled[random.randrange(len(spoiled))] = random.randrange(256)
            cut = random.choice([len(spoiled), random.randrange(len(spoiled))])
            zone.write(f"quantities/{name}", bytes(spoiled[:cut]))
        zone.lines("quantities/good.jsonl", QUANTITY | {"record_id": "good"})
        zone.load()
        bad = zone.rows("select reason from ops.quarantine")
        assert all(row["reason"] for row in bad)
        assert zone.rows("select record_id from raw.quantities where record_id = 'good'")


LONG = 10 * 2**20


@pytest.mark.parametrize("name", ["e2b/a", "intervals/a", "storage/listings/a", "stripe/events/a"])
def test_lines_of_ten_megabytes(name: str) -> None:
    """A good one is kept, a bad one is quarantined by its beginning; both cost nothing else."""
    make = JSON_RECORDS.get(name) or JSON_RECORDS["e2b/bare"]
    with Example() as zone:
        long = line_of(make(1) | {"more": "x" * LONG})
        zone.write(
            f"{name}.jsonl", b"\n".join([line_of(make(0)), long, long[:-1], line_of(make(2))])
        )
        zone.load()
        (bad,) = zone.rows("select reason, length(raw) as kept from ops.quarantine")
        assert bad["reason"].startswith("record is not JSON")
        assert bad["kept"] == 100_000
        (load,) = zone.rows("select records - quarantined as good from ops.loads")
        # A listing gives a row for its project, and one for all other objects.
        assert load["good"] == (6 if name.startswith("storage") else 3)
