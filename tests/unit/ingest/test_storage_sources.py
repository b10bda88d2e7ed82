"""Gauges, listings and inventories: what is counted, and what is rejected whole."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_zone import Zone

pytestmark = pytest.mark.unit

AT = "2026-08-03T00:00:00Z"
ROWS = (
    "select resource_prefix, project_id, objects, bytes from raw.storage_samples"
    " order by load_seq, record_number"
)


def entry(key: str, size: Any) -> dict[str, Any]:
    return {"Key": key, "Size": size, "ETag": '"9b-3"', "StorageClass": "STANDARD"}


def listing(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole listing of `mounts/` unless `more` says otherwise."""
    head = {"sampled_at": AT, "bucket": "sessions", "prefix": "mounts/", "complete": True}
    return head | ({"Contents": list(entries)} if entries else {}) | more


def sums(zone: Zone) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in zone.rows(ROWS)]


def load(zone: Zone, *documents: Any) -> list[tuple[Any, ...]]:
    """The rows of one file of documents; its records are counted once, good or bad."""
    zone.lines("storage/listings/a.jsonl", *documents)
    summary = zone.load()
    rows = sums(zone)
    assert summary.records == len(rows) + summary.quarantined
    return rows


# --- Gauges -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("both_paths")
def test_gauges_in_every_format(zone: Zone, tmp_path: Path) -> None:
    gauge = {"sampled_at": AT, "account_ref": "acme", "resource_id": "r1", "bytes": 2**40}
    zone.lines("gauges/a.jsonl", gauge)
    zone.write("gauges/b.csv", f"{','.join(gauge)}\n{','.join(map(str, gauge.values()))}\n")
    pq.write_table(pa.Table.from_pylist([gauge]), tmp_path / "p")
    zone.write("gauges/deep/c.parquet", (tmp_path / "p").read_bytes())
    zone.lines("gauges/d.json", gauge | {"fetched_at": "2026-08-03T00:05:00Z"})
    zone.load()
    assert zone.reasons() == []
    at, later = datetime(2026, 8, 3, tzinfo=UTC), datetime(2026, 8, 3, 0, 5, tzinfo=UTC)
    rows = zone.rows("select sampled_at, bytes, known_at from raw.gauges order by 3")
    assert [tuple(row.values()) for row in rows] == [(at, 2**40, at)] * 3 + [(at, 2**40, later)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sampled_at": "2026-08-03T00:00:00"}, "sampled_at has no time zone"),
        ({"bytes": -1}, "bytes must not be negative: -1"),
        ({"bytes": "1.5"}, "bytes must be a whole number"),
        ({"resource_id": ""}, "resource_id is missing"),
    ],
)
@pytest.mark.usefixtures("both_paths")
def test_a_gauge_that_is_none(zone: Zone, change: dict[str, Any], reason: str) -> None:
    gauge = {"sampled_at": AT, "account_ref": "acme", "resource_id": "r1", "bytes": 1}
    zone.lines("gauges/a.jsonl", gauge, gauge | change)
    assert (zone.load().records, len(zone.reasons())) == (2, 1)
    assert zone.reasons()[0].startswith(reason)


# --- Listings ---------------------------------------------------------------------------------


def test_a_listing_is_added_up_by_project(zone: Zone) -> None:
    rows = load(
        zone,
        listing(
            entry("mounts/p1/m1/a.bin", 1_073_741_824),
            entry("mounts/p1/m2/b.bin", 1),
            entry("mounts/p2/m1/", 0),
            entry("mounts/readme", 7),
        ),
    )
    # p1: 1073741824 + 1; p2: a folder marker of no size; of no project: the readme.
    assert rows == [
        ("mounts/", None, 1, 7),
        ("mounts/p1/", "p1", 2, 1_073_741_825),
        ("mounts/p2/", "p2", 1, 0),
    ]


def test_a_namespace_stands_before_the_mounts(zone: Zone) -> None:
    entries = [entry("prod/mounts/p1/m1/a", 1), entry("mounts/mounts/m1/a", 2), entry("a/b/c", 4)]
    assert load(zone, listing(*entries, prefix="")) == [
        ("", None, 1, 4),
        ("mounts/mounts/", "mounts", 1, 2),
        ("prod/mounts/p1/", "p1", 1, 1),
    ]


def test_an_empty_listing_says_that_nothing_is_there(zone: Zone) -> None:
    assert load(zone, listing()) == [("mounts/", None, 0, 0)]


def test_encoded_keys_are_decoded_only_where_the_listing_says_so(zone: Zone) -> None:
    keys = [entry("mounts/p%201/m1/a%20b.bin", 1), entry("mounts/p+1/m1/c+b.bin", 2)]
    assert load(zone, listing(*keys, EncodingType="url"), listing(*keys)) == [
        ("mounts/", None, 0, 0),
        ("mounts/p 1/", "p 1", 2, 3),
        ("mounts/", None, 0, 0),
        ("mounts/p%201/", "p%201", 1, 1),
        ("mounts/p+1/", "p+1", 1, 2),
    ]


def pages(**last: Any) -> list[dict[str, Any]]:
    """A listing of two pages as the API answers them; only the first says of when it is."""
    head = {"sampled_at": AT, "Name": "sessions", "Prefix": "mounts/"}
    first = {"IsTruncated": True, "KeyCount": 1, "NextContinuationToken": "t1"}
    then = {"Name": "sessions", "Prefix": "mounts/", "ContinuationToken": "t1", "KeyCount": 1}
    return [
        head | first | {"Contents": [entry("mounts/p1/m1/a", 1)]},
        then | {"IsTruncated": False, "Contents": [entry("mounts/p1/m1/b", 2)]} | last,
    ]


@pytest.mark.parametrize("shape", ["lines", "array", "wrapped"])
def test_pages_are_one_listing(zone: Zone, shape: str) -> None:
    both = pages()
    if shape == "wrapped":
        both[0].pop("sampled_at")
        both = [{"sampled_at": AT, "pages": both}]
    if shape == "array":
        zone.write("storage/listings/a.json", json.dumps(both, indent=1))
        zone.load()
        rows = sums(zone)
    else:
        rows = load(zone, *both)
    assert rows == [("mounts/", None, 0, 0), ("mounts/p1/", "p1", 2, 3)]


def test_a_listing_that_breaks_off_does_not_hurt_the_next(zone: Zone) -> None:
    cut = pages()[0]
    whole = listing(entry("mounts/p1/m1/a", 5), sampled_at="2026-08-03T01:00:00Z")
    assert load(zone, cut, whole) == [("mounts/", None, 0, 0), ("mounts/p1/", "p1", 1, 5)]
    assert zone.reasons() == ["the listing breaks off: IsTruncated is true on its last page"]


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        (pages()[:1], "the listing breaks off: IsTruncated is true on its last page"),
        (pages(IsTruncated=True), "the listing breaks off: IsTruncated is true on its last page"),
        ([listing(IsTruncated=True)], "the listing breaks off: IsTruncated is true"),
        ([listing(complete=False)], "the listing is not complete: it says so itself"),
        ([pages()[0] | {"complete": False}, pages()[1]], "the listing is not complete"),
        ([listing(complete="yes")], "complete must be true or false, not 'yes'"),
        (
            [{key: value for key, value in listing().items() if key != "complete"}],
            "nothing says that the listing is complete",
        ),
        ([listing(prefix=None)], "prefix is missing"),
        ([listing(bucket="")], "bucket is missing"),
        ([listing(sampled_at="2026-08-03T00:00:00")], "sampled_at has no time zone"),
        ([listing(prefix="mounts/p1/m1/")], "prefix 'mounts/p1/m1/' is only a part of"),
        ([listing(CommonPrefixes=[{"Prefix": "mounts/p1/"}])], "the listing leaves out"),
        ([listing(entry("mounts/p1/m/a", 1), KeyCount=2)], "KeyCount is 2"),
        ([listing(entry("mounts/p1/m/a", None))], "Size of 'mounts/p1/m/a' is missing"),
        ([listing(entry("mounts/p1/m/a", -1))], "Size of 'mounts/p1/m/a' must not be negative"),
        ([listing(entry("other/p1/m/a", 1))], "key 'other/p1/m/a' is not under the prefix"),
        (
            [listing(entry("mounts/p1/m/a", 1), entry("mounts/p1/m/a", 1))],
            "key 'mounts/p1/m/a' is listed twice",
        ),
        ([listing(ContinuationToken="t0")], "the listing lacks its first pages"),
        ([listing(StartAfter="mounts/p1")], "the listing begins after a key"),
        (
            [pages()[0], {**pages()[1], "ContinuationToken": "t9"}],
            "the listing lacks pages: a ContinuationToken is not the one before",
        ),
        (
            [listing(IsTruncated=False), {"Contents": [entry("mounts/p1/m/a", 1)]}],
            "a page follows the last one",
        ),
        (["[]"], "record is not a JSON object"),
    ],
)
def test_a_listing_that_cannot_be_counted_is_rejected_whole(
    zone: Zone, documents: list[Any], reason: str
) -> None:
    if documents == ["[]"]:
        zone.write("storage/listings/a.json", "[[]]")
        zone.load()
    else:
        load(zone, *documents)
    assert sums(zone) == []
    assert len(zone.reasons()) == 1
    assert zone.reasons()[0].startswith(reason)


def test_a_page_that_does_not_say_of_when_is_never_left_out(zone: Zone) -> None:
    """Neither page says where the listing ends: both count, or the gauge would be too low."""
    more = {"Contents": [entry("mounts/p1/m1/b", 2)]}
    rows = load(zone, listing(entry("mounts/p1/m1/a", 1)), more)
    assert rows == [("mounts/", None, 0, 0), ("mounts/p1/", "p1", 2, 3)]


# --- Inventories --------------------------------------------------------------------------------

CONFIG = "reports/sessions/daily"
BASE = f"storage/inventory/{CONFIG}"
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
OBJECTS = [
    ("mounts/p1/m1/a%20b.bin", "v2", "true", "false", "1073741824"),
    ("mounts/p1/m1/a%20b.bin", "v1", "false", "false", "1000"),  # an old version is billed
    ("mounts/p1/m1/a+b.bin", "v1", "true", "false", "10"),
    ("mounts/p%202/m1/gone", "v2", "true", "true", ""),  # a delete marker holds nothing
    ("mounts%2Fp%202%2Fm1%2Fgone", "v1", "false", "false", "5"),
    ("backups/x", "", "true", "false", "7"),
]
# p1: 1073741824 + 1000 + 10; "p 2": 5; of no project: 7.
COUNTED = [
    ("", None, 1, 7),
    ("mounts/p 2/", "p 2", 1, 5),
    ("mounts/p1/", "p1", 3, 1_073_742_834),
]


def csv_data(objects: list[tuple[str, ...]] = OBJECTS) -> bytes:
    lines = [
        ",".join(f'"{value}"' for value in ("sessions", *each, "2026-08-01T09:00:00.000Z", "9b"))
        for each in objects
    ]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def manifest(data: dict[str, bytes], **changes: Any) -> dict[str, Any]:
    """A manifest of data files by name."""
    files = [
        {
            "key": f"{CONFIG}/data/{name}",
            "size": len(content),
            "MD5checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        }
        for name, content in data.items()
    ]
    said = {
        "sourceBucket": "sessions",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1785715200000",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": files,
    }
    return said | changes


def write_manifest(zone: Zone, content: dict[str, Any] | bytes) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    folder = f"{BASE}/2026-08-03T00-00Z"
    zone.write(f"{folder}/manifest.json", text)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    zone.write(f"{folder}/manifest.checksum", checksum + "\n")
    zone.write(f"{BASE}/hive/dt=2026-08-03-00-00/symlink.txt", "s3://reports/data\n")


def test_an_inventory_in_csv(zone: Zone) -> None:
    two = {"a.csv.gz": csv_data(OBJECTS[:3]), "b.csv.gz": csv_data(OBJECTS[3:])}
    for name, content in two.items():
        zone.write(f"{BASE}/data/{name}", content)
    write_manifest(zone, manifest(two))
    summary = zone.load()
    assert zone.reasons() == []
    assert sums(zone) == COUNTED
    # Only the manifest is a load; its three rows are its records.
    assert (summary.files, summary.records, summary.ignored) == (1, 3, [])
    head = zone.rows("select distinct kind, sampled_at, scope, prefix from raw.storage_samples")
    # 1785715200 s = 20668 days = 2026-08-03.
    at = datetime(2026, 8, 3, tzinfo=UTC)
    assert [tuple(row.values()) for row in head] == [("inventory", at, CONFIG, "")]
    again = zone.load()
    assert (again.loads, again.unchanged) == ([], 1)


def test_an_inventory_in_parquet_has_plain_keys(zone: Zone, tmp_path: Path) -> None:
    rows = [
        {"bucket": "sessions", "key": key, "size": size, "is_delete_marker": marker}
        for key, size, marker in [
            ("mounts/p%201/m/a", 3, False),
            ("mounts/p1/m/b", 4, None),
            ("mounts/p1/m/c", None, True),
        ]
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p")
    data = {"a.parquet": (tmp_path / "p").read_bytes()}
    zone.write(f"{BASE}/data/a.parquet", data["a.parquet"])
    write_manifest(zone, manifest(data, fileFormat="Parquet", fileSchema="message s3 {}"))
    zone.load()
    assert zone.reasons() == []
    assert sums(zone) == [
        ("", None, 0, 0),
        ("mounts/p%201/", "p%201", 1, 3),
        ("mounts/p1/", "p1", 1, 4),
    ]


def test_a_folder_may_look_like_a_pattern(tmp_path: Path) -> None:
    zone = Zone(tmp_path / "a[b]*")
    data = {"a.csv.gz": csv_data()}
    zone.write(f"{BASE}/data/a.csv.gz", data["a.csv.gz"])
    write_manifest(zone, manifest(data))
    zone.load()
    assert (zone.reasons(), sums(zone)) == ([], COUNTED)
    zone.con.close()


def test_data_below_files_and_beside_the_manifest(zone: Zone) -> None:
    """Whoever copied only the configuration's folder has shorter paths than the keys."""
    data = {"a.csv.gz": csv_data()}
    said = manifest(data)
    said["files"][0]["key"] = f"{CONFIG}/files/a.csv.gz"
    text = json.dumps(said).encode()
    zone.write("storage/inventory/d/manifest.json", text)
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    zone.write("storage/inventory/d/manifest.checksum", checksum)
    zone.write("storage/inventory/files/a.csv.gz", data["a.csv.gz"])
    zone.load()
    assert zone.reasons() == []
    assert sums(zone) == COUNTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fileFormat": "ORC"}, "fileFormat 'ORC' is not read: have the inventory written as"),
        ({"version": "2030-01-01"}, "version of the manifest is '2030-01-01'"),
        ({"creationTimestamp": None}, "creationTimestamp is missing"),
        ({"creationTimestamp": "soon"}, "creationTimestamp must be a whole number"),
        ({"sourceBucket": None}, "sourceBucket is missing"),
        ({"files": []}, "files of the manifest names no data file"),
        ({"fileSchema": "Bucket, Key"}, "the inventory has no Key or no Size"),
        ({"fileSchema": "Bucket, Key, Size"}, "data file "),
        ({"fileSchema": SCHEMA.replace(" Size", " Length")}, "the inventory has no Key or no Size"),
    ],
)
def test_a_manifest_that_cannot_be_read(zone: Zone, changes: dict[str, Any], reason: str) -> None:
    data = {"a.csv.gz": csv_data()}
    zone.write(f"{BASE}/data/a.csv.gz", data["a.csv.gz"])
    write_manifest(zone, manifest(data, **changes))
    zone.load()
    assert sums(zone) == []
    assert len(zone.reasons()) == 1
    assert zone.reasons()[0].startswith(reason)


def test_one_file_that_is_missing_or_another_rejects_the_sample(zone: Zone) -> None:
    two = {"a.csv.gz": csv_data(OBJECTS[:3]), "b.csv.gz": csv_data(OBJECTS[3:])}
    zone.write(f"{BASE}/data/a.csv.gz", two["a.csv.gz"])
    write_manifest(zone, manifest(two))
    zone.load()
    assert zone.reasons() == [f"data file '{CONFIG}/data/b.csv.gz' is missing"]
    zone.write(f"{BASE}/data/b.csv.gz", two["b.csv.gz"] + b"\0")
    zone.load()
    size = len(two["b.csv.gz"])
    name = f"data file '{CONFIG}/data/b.csv.gz'"
    assert zone.reasons() == [f"{name} has {size + 1} bytes, not the {size} of the manifest"]
    zone.write(f"{BASE}/data/b.csv.gz", bytes(size))
    zone.load()
    assert zone.reasons() == [f"{name} has another MD5 than the manifest says"]
    assert sums(zone) == []
    # All is well in the end: nothing tells in which order the files came.
    zone.write(f"{BASE}/data/b.csv.gz", two["b.csv.gz"])
    zone.load()
    assert zone.reasons() == []
    assert sums(zone) == COUNTED
    assert zone.rows("select records, is_current from ops.loads") == [
        {"records": 3, "is_current": True}
    ]


def test_a_manifest_needs_its_checksum(zone: Zone) -> None:
    data = {"a.csv.gz": csv_data()}
    zone.write(f"{BASE}/data/a.csv.gz", data["a.csv.gz"])
    write_manifest(zone, manifest(data))
    checksum = zone.landing / f"{BASE}/2026-08-03T00-00Z/manifest.checksum"
    told = checksum.read_text()
    checksum.unlink()
    zone.load()
    assert zone.reasons() == ["manifest.checksum is missing: the inventory is not complete"]
    checksum.write_text("0" * 32)
    zone.load()
    assert zone.reasons() == ["manifest.checksum is not the MD5 of manifest.json"]
    checksum.write_text(told)
    zone.load()
    assert (zone.reasons(), sums(zone)) == ([], COUNTED)


def test_data_without_a_manifest_waits_for_it(zone: Zone) -> None:
    data = {"a.csv.gz": csv_data()}
    zone.write(f"{BASE}/data/a.csv.gz", data["a.csv.gz"])
    summary = zone.load()
    assert (summary.files, summary.still_written) == (0, [f"{BASE}/data/a.csv.gz"])
    write_manifest(zone, manifest(data))
    assert zone.load().still_written == []
    assert sums(zone) == COUNTED
