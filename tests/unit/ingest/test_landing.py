"""The landing zone: what is new, once, whatever the names and the order."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ingest_examples import PAUSED, QUANTITY, SCALE_EVENT
from ingest_zone import Zone

from ingest import landing as landing_module
from ingest.errors import UsageError
from ingest.landing import load_landing

pytestmark = pytest.mark.unit

LOADS = "select source, file, records, quarantined, is_current from ops.loads order by file"
ACCOUNTS = "account_id,name,stripe_customer_id,currency,timezone,email\n"


def event(name: str) -> dict[str, Any]:
    return PAUSED | {"id": name}


def test_nothing_new_loads_nothing(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", event("a"), "bad")
    assert (zone.load().records, zone.load().records) == (2, 0)
    summary = zone.load()
    assert (summary.files, summary.unchanged, summary.loads) == (1, 1, [])
    assert (summary.reference_changed, summary.changed_sources) == (False, [])


def test_the_same_content_under_another_name_loads_nothing(zone: Zone) -> None:
    zone.lines("e2b/b.jsonl", event("a"), "bad")
    zone.load()
    zone.lines("e2b/a.json", event("a"), "bad")
    summary = zone.load()
    assert (summary.loads, summary.changed_sources) == ([], [])
    assert zone.rows(LOADS) == [
        {"source": "e2b", "file": "e2b/a.json", "records": 2, "quarantined": 1, "is_current": True}
    ]
    assert zone.rows("select file from ops.quarantine") == [{"file": "e2b/a.json"}]


def test_new_content_at_a_path_loads_again(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", event("a"))
    zone.load()
    zone.lines("e2b/a.jsonl", event("a"), event("b"))
    summary = zone.load()
    assert [load.records for load in summary.loads] == [2]
    assert [load.records for load in summary.no_longer_current] == [1]
    assert summary.usage_removed
    zone.lines("e2b/a.jsonl", event("a"))
    summary = zone.load()
    assert (summary.loads, [load.records for load in summary.current_again]) == ([], [1])
    current = zone.rows("select records, is_current from ops.loads order by load_seq")
    assert current == [{"records": 1, "is_current": True}, {"records": 2, "is_current": False}]


@pytest.mark.parametrize("batches", [[["a", "b", "c"]], [["c"], ["b"], ["a"]], [["b", "c"], ["a"]]])
def test_order_and_batches_do_not_matter(zone: Zone, batches: list[list[str]]) -> None:
    contents = {"a": [event("x")], "b": [event("y"), "bad"], "c": [event("x")]}
    for batch in batches:
        for name in batch:
            zone.lines(f"e2b/{name}.jsonl", *contents[name])
        zone.load()
    assert [(row["file"], row["records"]) for row in zone.rows(LOADS)] == [
        ("e2b/a.jsonl", 1),
        ("e2b/b.jsonl", 2),
    ]
    facts = zone.rows(
        "select file, record_number, event_id from raw.e2b_events join ops.loads using (load_seq)"
        " order by all"
    )
    assert [tuple(row.values()) for row in facts] == [
        ("e2b/a.jsonl", 1, "x"),
        ("e2b/b.jsonl", 1, "y"),
    ]


def test_files_being_written_are_left_alone(zone: Zone) -> None:
    for name in ("e2b/.a.jsonl", "e2b/a.jsonl.tmp", "e2b/a.jsonl.part", "e2b/.hidden/a.jsonl"):
        zone.lines(name, event("a"))
    summary = zone.load()
    assert (summary.files, summary.ignored) == (0, [])


def test_what_nothing_reads_is_told(zone: Zone) -> None:
    for name in (
        "README.md",
        "e2b/notes.txt",
        "daytona/usage/a.csv",
        "opencomputer/other/a.json",
        "stripe/widgets/a.json",
        "stripe/customers/a.csv",
        "storage/listings/a.csv",
        "elsewhere/a.csv",
        "customers.csv",
    ):
        zone.write(name, "x")
    summary = zone.load()
    assert summary.files == 0
    assert summary.ignored == sorted(
        [
            "README.md",
            "e2b/notes.txt",
            "daytona/usage/a.csv",
            "opencomputer/other/a.json",
            "stripe/widgets/a.json",
            "stripe/customers/a.csv",
            "storage/listings/a.csv",
            "elsewhere/a.csv",
            "customers.csv",
        ]
    )
    assert json.loads(json.dumps(summary.as_dict()))["ignored"] == summary.ignored


def test_links_out_of_the_zone_are_not_followed(zone: Zone, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jsonl").write_text(json.dumps(event("a")))
    zone.lines("e2b/real.jsonl", event("b"))
    (zone.landing / "e2b/file.jsonl").symlink_to(outside / "a.jsonl")
    (zone.landing / "e2b/folder").symlink_to(outside)
    (zone.landing / "e2b/inside.jsonl").symlink_to(zone.landing / "e2b/real.jsonl")
    summary = zone.load()
    assert [load.file for load in summary.loads] == ["e2b/inside.jsonl"]
    assert summary.ignored == [
        "e2b/file.jsonl (link out of the landing zone)",
        "e2b/folder/ (link)",
    ]


def test_unreadable_files_are_one_quarantined_record(zone: Zone) -> None:
    text = json.dumps(event("a")).encode()
    zone.write("e2b/a.jsonl.gz", b"not gzip at all")
    zone.write("e2b/b.jsonl.gz", gzip.compress(text * 5000)[:-20])
    zone.write("e2b/c.jsonl.zst", b"not zstd at all")
    zone.write("e2b/d.parquet", b"PAR1 no PAR1")
    zone.write("quantities/e.csv", "record_id,meter_id\n1,2\n3,4\n")
    zone.write("quantities/f.csv", "a,a\n1,2\n")
    zone.lines("e2b/g.jsonl", event("g"))
    zone.load()
    assert zone.rows("select event_id from raw.e2b_events") == [{"event_id": "g"}]
    found = zone.rows("select file, record_number, reason from ops.quarantine order by file")
    assert all(row["record_number"] is None for row in found)
    assert [row["reason"].partition(":")[0] for row in found] == [
        "file cannot be decompressed",
        "file cannot be decompressed",
        "file cannot be decompressed",
        "file is not readable Parquet",
        "the header has no column account_ref",
        "the header has an empty or repeated column name",
    ]
    assert [(row["records"], row["quarantined"]) for row in zone.rows(LOADS)][:4] == [(1, 1)] * 4


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b"[]"])
def test_empty_files_are_loads_without_records(zone: Zone, name: str, content: bytes) -> None:
    if name.endswith("csv") and content == b"[]":
        content = b"record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
    content = gzip.compress(content) if name.endswith("gz") else content
    zone.write(f"quantities/{name}", content)
    zone.load()
    assert [(row["records"], row["is_current"]) for row in zone.rows(LOADS)] == [(0, True)]


def numbers_and_reasons(zone: Zone) -> tuple[list[int], list[tuple[int, str]]]:
    numbers = [row["record_number"] for row in zone.rows("from raw.e2b_events order by 2")]
    bad = zone.rows("select record_number, reason from ops.quarantine order by 1")
    return numbers, [(row["record_number"], row["reason"]) for row in bad]


A, B, C = (json.dumps(event(name)) for name in "abc")
LOST = "; the rest of the file is lost with it"


@pytest.mark.parametrize(
    ("content", "numbers", "reasons"),
    [
        (f"{A}\n\n{B}\r\n  \n{C}", [1, 3, 5], []),
        (f"[{A},\n{B},{C}]", [1, 2, 3], []),
        (f"{A}{B} {C}", [1, 2, 3], []),
        (json.dumps(event("a"), indent=2), [1], []),
        (f"[{A}]\n[{B},{C}]\n", [1, 2, 3], []),
        (f"[{A},{B},{C[:-5]}", [1, 2], [(3, "record is not JSON")]),
        (f"[{A},{B}", [1, 2], [(3, f"record is not JSON: the array does not end{LOST}")]),
        (f"{A[:-5]}\n{B}\n{C}", [2, 3], [(1, "record is not JSON")]),
        (f"{A}\n{B[:-9]}\n{C}", [1, 3], [(2, "record is not JSON")]),
        (f"[{A},5,{B}]", [1, 3], [(2, "record is not a JSON object")]),
        # Not lines, by the first of them: what breaks costs nothing behind it all the same.
        (f"{A}{B}\n{C[:-5]}\nbad\n{C}", [1, 2, 4], [(3, "record is not JSON")]),
        (f"null\n{A}\nbad\n{B}", [2, 4], [(1, "record is not a"), (3, "record is not JSON")]),
        ("\ufeff" + f"{A}\n{B}", [1, 2], []),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_a_json_file_holds_is_told_from_its_content(
    zone: Zone, name: str, content: str, numbers: list[int], reasons: list[tuple[int, str]]
) -> None:
    zone.write(f"e2b/{name}", content)
    zone.load()
    found_numbers, found_reasons = numbers_and_reasons(zone)
    assert found_numbers == numbers
    assert [number for number, _ in found_reasons] == [number for number, _ in reasons]
    for (_, found), (_, expected) in zip(found_reasons, reasons, strict=True):
        assert found.startswith(expected)


@pytest.mark.usefixtures("both_paths")
def test_lines_across_blocks_keep_their_numbers(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.reading.BLOCK_BYTES", 700)
    monkeypatch.setattr("ingest.reading.LINES_BYTES", 500)
    monkeypatch.setattr("ingest.records.PIECE", 4)
    whole = [event(f"e{n}") for n in range(1, 40)]
    # Every seventh is odd but valid, every tenth is bad; a blank line counts, and is no record.
    lines = [
        "bad" if n % 10 == 0 else json.dumps(record | {"network": None} if n % 7 == 0 else record)
        for n, record in enumerate(whole, 1)
    ]
    zone.lines("e2b/a.jsonl", *lines[:20], "", *lines[20:])
    amounts = [QUANTITY | {"record_id": f"q{n}"} for n in range(1, 40)]
    zone.lines("quantities/a.jsonl", *amounts)
    zone.load()
    expected = [(n if n <= 20 else n + 1, f"e{n}") for n in range(1, 40) if n % 10]
    found = zone.rows("select record_number, event_id from raw.e2b_events order by 1")
    assert [(row["record_number"], row["event_id"]) for row in found] == expected
    bad = zone.rows("select record_number from ops.quarantine order by 1")
    assert [row["record_number"] for row in bad] == [10, 20, 31]
    found = zone.rows("select record_number, record_id from raw.quantities order by 1")
    assert [row["record_id"] for row in found] == [f"q{row['record_number']}" for row in found]
    assert len(found) == 39


def test_long_lines_before_many_short_ones(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read carefully before there were many records is neither lost nor told twice."""
    monkeypatch.setattr("ingest.reading.BLOCK_BYTES", 6000)
    monkeypatch.setattr("ingest.reading.LINES_BYTES", 3000)
    monkeypatch.setattr("ingest.records.PIECE_BYTES", 10_000)
    monkeypatch.setattr("ingest.records.FEW", 20)
    long = [event(f"e{n}") | {"build": "x" * 5000} for n in (1, 2, 3)]
    short = ["bad" if n % 9 == 0 else event(f"e{n}") for n in range(5, 100)]
    zone.lines("e2b/a.jsonl", *long, "bad " + "y" * 5000, *short)
    zone.load()
    found = zone.rows("select record_number, event_id from raw.e2b_events order by 1")
    assert [row["event_id"] for row in found] == [f"e{row['record_number']}" for row in found]
    bad = [row["record_number"] for row in zone.rows("from ops.quarantine order by record_number")]
    assert bad == [4, *range(9, 100, 9)]
    assert len(found) == 99 - len(bad)


@pytest.mark.usefixtures("both_paths")
def test_of_a_group_of_files_each_keeps_its_own_records(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", event("a1"), "bad", event("a3"))
    broken = gzip.compress(b"\n".join(json.dumps(event(f"b{n}")).encode() for n in range(30_000)))
    zone.write("e2b/b.jsonl.gz", broken[: len(broken) // 2])
    zone.lines("e2b/c.jsonl", event("c1") | {"network": None}, event("c2"))
    zone.write("e2b/d.jsonl", b'{"id":"\xff"}\n' + json.dumps(event("d2")).encode())
    zone.write("e2b/e.jsonl", b"")
    zone.load()
    facts = zone.rows(
        "select file, record_number, event_id from raw.e2b_events join ops.loads using (load_seq)"
        " order by all"
    )
    assert [tuple(row.values()) for row in facts] == [
        ("e2b/a.jsonl", 1, "a1"),
        ("e2b/a.jsonl", 3, "a3"),
        ("e2b/c.jsonl", 1, "c1"),
        ("e2b/c.jsonl", 2, "c2"),
        ("e2b/d.jsonl", 2, "d2"),
    ]
    bad = zone.rows("select file, record_number from ops.quarantine order by all")
    assert [tuple(row.values()) for row in bad] == [
        ("e2b/a.jsonl", 2),
        ("e2b/b.jsonl.gz", None),
        ("e2b/d.jsonl", 1),
    ]
    counts = zone.rows("select records, quarantined from ops.loads order by file")
    assert [tuple(row.values()) for row in counts] == [(3, 1), (1, 1), (2, 0), (2, 1), (0, 0)]


@pytest.mark.parametrize(("group_files", "left"), [(1, ["a"]), (1000, [])])
def test_a_crash_leaves_whole_files_or_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, group_files: int, left: list[str]
) -> None:
    zone.lines("e2b/a.jsonl", event("a"))
    zone.lines("e2b/b.jsonl", event("b"), "bad")
    noted = landing_module._note_loads

    def crash(con: Any, settings: Any, numbered: Any, came: Any) -> Any:
        loads = noted(con, settings, numbered, came)
        if "e2b/b.jsonl" in [load.file for load in loads]:
            raise KeyboardInterrupt
        return loads

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "GROUP_FILES", group_files)
        patched.setattr(landing_module, "_note_loads", crash)
        with pytest.raises(KeyboardInterrupt):
            zone.load()
    zone.check_rows_in_are_rows_out()
    assert [row["event_id"] for row in zone.rows("from raw.e2b_events")] == left
    assert "e2b/b.jsonl" in [load.file for load in zone.load().loads]
    ids = zone.rows("select event_id from raw.e2b_events order by all")
    assert [row["event_id"] for row in ids] == ["a", "b"]
    assert all(row["is_current"] for row in zone.rows(LOADS))


def test_a_file_that_changes_while_it_is_read_waits_for_the_next_run(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone.lines("e2b/a.jsonl", event("a"))
    hashed = landing_module.content_sha256

    def appended(path: Path) -> str:
        sha = hashed(path)
        with path.open("a") as stream:
            stream.write(json.dumps(event("b")) + "\n")
        return sha

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "content_sha256", appended)
        summary = zone.load()
    assert (summary.loads, summary.still_written) == ([], ["e2b/a.jsonl"])
    assert [load.records for load in zone.load().loads] == [2]
    assert path.exists()


def test_of_a_group_only_the_file_that_changes_while_it_loads_waits(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        zone.lines(f"e2b/{name}.jsonl", event(name))
    noted = landing_module._note_loads

    def change(*arguments: Any) -> Any:
        zone.lines("e2b/b.jsonl", event("b"), event("more"))
        return noted(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "_note_loads", change)
        summary = zone.load()
    assert summary.still_written == ["e2b/b.jsonl"]
    assert [load.file for load in summary.loads] == ["e2b/a.jsonl", "e2b/c.jsonl"]
    assert [(load.file, load.records) for load in zone.load().loads] == [("e2b/b.jsonl", 2)]
    ids = zone.rows("select event_id from raw.e2b_events order by all")
    assert [row["event_id"] for row in ids] == ["a", "b", "c", "more"]


def test_unchanged_files_are_not_read_again(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zone.lines("e2b/a.jsonl", event("a"))
    zone.load()
    read: list[Path] = []
    hashed = landing_module.content_sha256
    monkeypatch.setattr(
        landing_module, "content_sha256", lambda path: read.append(path) or hashed(path)
    )
    zone.load()
    assert read == []
    # A touched file is read again, and found to be the same; so is everything without the cache.
    os.utime(path, (1, 1))
    assert (zone.load().loads, read) == ([], [path])
    zone.con.execute("delete from ops.files_seen")
    assert (zone.load().loads, read) == ([], [path, path])


def test_the_same_content_in_two_sources_loads_in_both(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", SCALE_EVENT)
    zone.lines("opencomputer/scale_events/a.jsonl", SCALE_EVENT)
    assert [load.quarantined for load in zone.load().loads] == [1, 0]


def test_progress_tells_each_loaded_file(zone: Zone) -> None:
    zone.lines("quantities/a.jsonl", QUANTITY, "bad")
    said: list[str] = []
    load_landing(zone.con, zone.settings, said.append)
    assert said == ["quantities/a.jsonl: 2 records, 1 quarantined"]


def test_progress_tells_how_far_a_long_file_is(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.reading.BLOCK_BYTES", 700)
    monkeypatch.setattr("ingest.reading.LINES_BYTES", 100)
    monkeypatch.setattr("ingest.records.TELL_EVERY", 20)
    zone.lines("quantities/a.jsonl", *([QUANTITY] * 50))
    said: list[str] = []
    load_landing(zone.con, zone.settings, said.append)
    assert said == [
        "quantities/a.jsonl: 20 records read",
        "quantities/a.jsonl: 40 records read",
        "quantities/a.jsonl: 50 records",
    ]


def test_a_landing_zone_that_is_not_there(zone: Zone) -> None:
    missing = replace(zone.settings, landing=zone.landing / "none")
    with pytest.raises(UsageError, match="is not a folder; create it or give --landing"):
        load_landing(zone.con, missing)


PRICEBOOK = """\
meters:
  - {meter_id: seconds, source: compute, measure: seconds, unit: second}
plans:
  - plan_id: %s
    name: Pro
    versions:
      - valid_from: 2026-01-01T00:00:00Z
        currency: usd
        interval: month
        base_amount: "0"
        charges:
          - charge_key: all
            meter_id: seconds
            model: standard
            properties: {unit_amount: "0.01"}
"""


def test_the_price_book_loads_file_by_file_and_is_validated_whole(zone: Zone) -> None:
    meters, plans = (PRICEBOOK % "pro").split("plans:")
    zone.write("pricebook/meters.yaml", meters)
    zone.write("pricebook/plans.yaml", "plans:" + plans)
    summary = zone.load()
    assert summary.reference_changed
    assert {load.file: load.records for load in summary.loads} == {
        "pricebook/meters.yaml": 1,
        "pricebook/plans.yaml": 3,
    }
    assert not zone.load().reference_changed
    zone.write("pricebook/plans.yaml", "plans:" + plans.replace("0.01", "0.02"))
    assert [load.file for load in zone.load().loads] == ["pricebook/plans.yaml"]
    current = zone.rows(
        "select unit_amount from raw.pricebook_tiers join ops.loads using (load_seq)"
        " where is_current"
    )
    assert [str(row["unit_amount"]) for row in current] == ["0.020000000000000000"]
    (zone.landing / "pricebook/meters.yaml").unlink()
    with pytest.raises(UsageError, match="seconds"):
        zone.load()


def test_a_wrong_price_book_stops_everything_before_usage_loads(zone: Zone) -> None:
    zone.write("pricebook/a.yaml", (PRICEBOOK % "pro").replace("unit_amount", "unit_price"))
    zone.lines("e2b/a.jsonl", event("a"))
    with pytest.raises(UsageError, match="unit_price"):
        zone.load()
    assert zone.rows(LOADS) == []


def test_reference_files_change_and_go(zone: Zone) -> None:
    path = zone.write("accounts.csv", ACCOUNTS + "a,A,,,,\n")
    assert zone.load().reference_changed
    zone.write("accounts.csv", ACCOUNTS + "a,B,,,,\n")
    summary = zone.load()
    assert (summary.reference_changed, summary.usage_removed) == (True, False)
    names = "select name from raw.accounts join ops.loads using (load_seq) where is_current"
    assert zone.rows(names) == [{"name": "B"}]
    path.unlink()
    assert zone.load().reference_changed
    assert zone.rows(names) == []
