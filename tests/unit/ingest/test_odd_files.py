"""Odd files of the landing zone: each has one stated outcome, and costs no other file anything.

The README lists the outcomes. Of files that change while they are read there is more in
`test_landing.py`.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from ingest_examples import PAUSED, QUANTITY, USAGE_POLL
from ingest_zone import Zone

from ingest import landing as landing_module
from ingest.errors import UsageError

pytestmark = pytest.mark.unit

HEADER = ",".join(QUANTITY)
ROW = ",".join(QUANTITY.values())
IDS = "select record_id from raw.quantities order by all"


def amount(name: str) -> dict[str, Any]:
    return QUANTITY | {"record_id": name}


def row(name: str) -> str:
    return ",".join(amount(name).values())


def ids(zone: Zone) -> list[str]:
    return [found["record_id"] for found in zone.rows(IDS)]


def parquet(zone: Zone, file: str, table: pa.Table) -> None:
    pq.write_table(table, zone.settings.landing.parent / "written")
    zone.write(file, (zone.settings.landing.parent / "written").read_bytes())


@pytest.fixture
def beside(zone: Zone) -> Zone:
    """A zone with a good file, which must load whatever lies beside it."""
    zone.lines("quantities/good.jsonl", amount("good"))
    return zone


# --- Files that change ------------------------------------------------------------------------


def during(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens between the hash of the files and the reading of their records."""
    load = landing_module._load_content

    def changed(*arguments: Any) -> Any:
        happens()
        return load(*arguments)

    monkeypatch.setattr(landing_module, "_load_content", changed)


def test_a_file_that_grows_while_it_is_read_waits_for_the_next_run(
    beside: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = beside.lines("quantities/grows.jsonl", amount("a"))

    def grow() -> None:
        path.write_text(f"{json.dumps(amount('a'))}\n{json.dumps(amount('b'))}\n")

    with monkeypatch.context() as patched:
        during(patched, grow)
        assert beside.load().still_written == ["quantities/grows.jsonl"]
    assert ids(beside) == ["good"]
    beside.load()
    assert ids(beside) == ["a", "b", "good"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet", "a.jsonl.gz"])
def test_a_file_that_is_replaced_while_it_is_read_waits_for_the_next_run(
    beside: Zone, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = beside.lines(f"quantities/{name}", "some content that is never read")
    new = beside.lines("quantities/.new", amount("new"))

    def replace() -> None:
        if new.exists():
            new.rename(path)

    with monkeypatch.context() as patched:
        during(patched, replace)
        assert beside.load().still_written == [f"quantities/{name}"]
    assert (ids(beside), beside.reasons()) == (["good"], [])
    assert [load.file for load in beside.load().loads] == [f"quantities/{name}"]


def test_a_file_that_goes_while_it_is_read_is_passed_over(
    beside: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = beside.lines("quantities/goes.jsonl", amount("a"))
    during(monkeypatch, lambda: path.unlink(missing_ok=True))
    assert beside.load().still_written == ["quantities/goes.jsonl"]
    assert ids(beside) == ["good"]
    assert beside.load().loads == []


# --- Links, folders and pipes -----------------------------------------------------------------


def test_a_symlink_out_of_the_landing_zone_is_told_and_not_read(
    beside: Zone, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.jsonl"
    outside.write_text(json.dumps(amount("outside")))
    folder = beside.landing / "quantities"
    (folder / "out.jsonl").symlink_to(outside)
    (folder / "loop.jsonl").symlink_to("pool.jsonl")
    (folder / "pool.jsonl").symlink_to("loop.jsonl")
    (folder / "gone.jsonl").symlink_to("never.jsonl")
    loaded = beside.load()
    assert loaded.still_written == []
    assert loaded.ignored == [
        "quantities/gone.jsonl (link that leads nowhere)",
        "quantities/loop.jsonl (link that leads nowhere)",
        "quantities/out.jsonl (link out of the landing zone)",
        "quantities/pool.jsonl (link that leads nowhere)",
    ]
    assert ids(beside) == ["good"]
    # What it leads to comes later: then it is a file like any other.
    beside.lines("quantities/never.jsonl", amount("later"))
    beside.load()
    assert ids(beside) == ["good", "later"]


def test_a_directory_named_like_a_file_is_a_directory(beside: Zone) -> None:
    beside.lines("quantities/day.jsonl/part.jsonl", amount("inside"))
    beside.write("accounts.csv/accounts.csv", "account_id\na\n")
    assert beside.load().ignored == ["accounts.csv/accounts.csv"]
    assert ids(beside) == ["good", "inside"]


def test_a_directory_named_like_a_checksum_is_none(beside: Zone) -> None:
    folder = "storage/inventory/b/c/2026-08-03T00-00Z"
    beside.write(f"{folder}/manifest.checksum/x", "x")
    entry = {"key": "b/c/data/a.csv", "size": 1, "MD5checksum": "0" * 32}
    said = {"sourceBucket": "b", "fileFormat": "CSV", "fileSchema": "Key, Size", "files": [entry]}
    beside.write(f"{folder}/manifest.json", json.dumps(said | {"creationTimestamp": "1"}))
    beside.load()
    assert beside.reasons() == ["manifest.checksum is missing: the inventory is not complete"]


@pytest.mark.parametrize("folder", ["quantities/locked", ""])
def test_a_folder_that_may_not_be_read_is_told(
    beside: Zone, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Tests may run as root, who may read everything: so the system is made to refuse."""
    beside.lines("quantities/locked/inside.jsonl", amount("inside"))
    locked, scandir = beside.landing / folder, os.scandir

    def refuse(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    if folder:
        told = beside.load().ignored
        assert told == ["quantities/locked/ (cannot be read: Permission denied)"]
        assert ids(beside) == ["good"]
    else:
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            beside.load()


def test_a_pipe_is_told_and_nobody_waits_for_its_writer(beside: Zone) -> None:
    os.mkfifo(beside.landing / "quantities/pipe.jsonl")
    assert beside.load().ignored == ["quantities/pipe.jsonl (not a plain file)"]
    assert ids(beside) == ["good"]


def test_a_file_name_that_is_not_text_is_told_and_not_read(beside: Zone) -> None:
    name = os.fsencode(beside.landing) + b"/quantities/\xff.jsonl"
    Path(os.fsdecode(name)).write_text(json.dumps(amount("unnamed")))
    assert beside.load().ignored == ["quantities/\\xff.jsonl (name is not UTF-8)"]
    assert ids(beside) == ["good"]


# --- Compressed files -------------------------------------------------------------------------

BOMB = "file unfolds to more than 200 times its size; if that is right, land it uncompressed"


def packed(pack: str, content: bytes, times: int) -> bytes:
    """A content again and again, compressed."""
    if pack == "gz":
        # Members one after another are one file.
        return gzip.compress(content) * times
    stream = zstandard.ZstdCompressor().compressobj()
    return b"".join(stream.compress(content) for _ in range(times)) + stream.flush()


@pytest.mark.parametrize("pack", ["gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_gzip_or_zstd_bomb_is_one_quarantined_record(beside: Zone, pack: str, kind: str) -> None:
    """128 MiB of nothing from some hundred kilobytes: reading stops at 64 MiB."""
    beside.write(f"quantities/bomb.{kind}.{pack}", packed(pack, bytes(2**20), 128))
    beside.load()
    assert (ids(beside), beside.reasons()) == (["good"], [BOMB])


@pytest.mark.parametrize("pack", ["gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_nothing_of_a_bomb_of_records_is_kept(
    beside: Zone, monkeypatch: pytest.MonkeyPatch, pack: str, kind: str
) -> None:
    monkeypatch.setattr("ingest.reading.UNFOLDED_BYTES", 2**20)
    monkeypatch.setattr("ingest.reading.BLOCK_BYTES", 2**18)
    monkeypatch.setattr("ingest.reading.LINES_BYTES", 2**18)
    line = (ROW if kind == "csv" else json.dumps(amount("bomb"))).encode() + b"\n"
    header = packed(pack, HEADER.encode() + b"\n", 1) if kind == "csv" else b""
    lines = packed(pack, line * (2**19 // len(line)), 4)
    beside.write(f"quantities/bomb.{kind}.{pack}", header + lines)
    beside.load()
    assert (ids(beside), beside.reasons()) == (["good"], [BOMB])


def test_what_repeats_itself_within_reason_is_no_bomb(beside: Zone) -> None:
    """400 times its size, but less than 64 MiB."""
    lines = (json.dumps(amount("again")) + "\n").encode() * 1000
    content = zstandard.ZstdCompressor(19).compress(lines)
    assert len(lines) > 400 * len(content)
    beside.write("quantities/again.jsonl.zst", content)
    beside.load()
    assert ids(beside) == ["again"] * 1000 + ["good"]


# --- Empty, and marked with a byte order --------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_a_zero_byte_file_is_a_load_without_records(beside: Zone, content: bytes) -> None:
    names = ["quantities/a.jsonl", "quantities/a.csv", "accounts.csv", "storage/listings/a.json"]
    names += ["stripe/customers/a.json"]
    names += [] if content else ["quantities/a.json.gz", "quantities/a.csv.zst"]
    for name in names:
        beside.write(name, content)
    beside.load()
    loads = beside.rows("select file, records from ops.loads where file not like '%good%'")
    # One content of one source and kind is one load, whatever its names.
    assert {load["records"] for load in loads} == {0}
    assert len(loads) == 5
    assert ids(beside) == ["good"]


def test_a_zero_byte_parquet_file_is_not_parquet(beside: Zone) -> None:
    beside.write("quantities/a.parquet", b"")
    beside.load()
    (reason,) = beside.reasons()
    assert reason.startswith("file is not readable Parquet")
    assert ids(beside) == ["good"]


def test_utf_16_is_refused_and_said_to_be_no_utf_8(beside: Zone) -> None:
    beside.write("quantities/a.csv", f"{HEADER}\n{ROW}\n".encode("utf-16"))
    beside.write("accounts.csv", "account_id,name\na,b\n".encode("utf-16"))
    beside.write("quantities/b.jsonl", json.dumps(QUANTITY).encode("utf-16"))
    beside.load()
    assert sorted(beside.reasons()) == [
        "record is not valid UTF-8 at byte 1",
        "the header is not valid UTF-8",
        "the header is not valid UTF-8",
    ]
    assert ids(beside) == ["good"]


# --- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "BOM"])
@pytest.mark.parametrize("comma", [",", ";"], ids=["commas", "semicolons"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_csv_with_bom_semicolons_or_crlf(beside: Zone, mark: str, comma: str, end: str) -> None:
    lines = [HEADER, row("a"), "", row("b")]
    beside.write("quantities/a.csv", mark + end.join(lines).replace(",", comma) + end)
    beside.load()
    assert (ids(beside), beside.reasons()) == (["a", "b", "good"], [])


def test_csv_with_a_quote_left_open_is_one_record_to_its_end(beside: Zone) -> None:
    """So CSV says: what follows the quote is inside of it. The record before it is kept."""
    beside.write("quantities/a.csv", f'{HEADER}\n{row("a")}\n"{row("b")}\n{row("c")}\n')
    beside.load()
    assert ids(beside) == ["a", "good"]
    assert beside.reasons() == ["record has 1 columns, the header has 6"]


@pytest.mark.parametrize("name", ["__number", "__raw", "RECORD_ID", ""])
def test_a_header_that_cannot_tell_its_columns_apart(beside: Zone, name: str) -> None:
    beside.write("quantities/a.csv", f"{HEADER},{name}\n{ROW},1\n")
    parquet(
        beside,
        "quantities/b.parquet",
        pa.Table.from_pylist([QUANTITY]).append_column(name, pa.array([1])),
    )
    beside.load()
    reasons = beside.reasons()
    assert len(reasons) == 2
    assert all(reason.startswith("the header has a") for reason in reasons)
    assert ids(beside) == ["good"]


@pytest.mark.parametrize("name", ["load_seq", "record_number", "known_at", "raw", "ok", 'a"b\n;--'])
def test_columns_may_have_the_names_of_ours(beside: Zone, name: str) -> None:
    table = pa.Table.from_pylist([amount("a")]).append_column(name, pa.array(["x"]))
    parquet(beside, "quantities/a.parquet", table)
    beside.load()
    assert (ids(beside), beside.reasons()) == (["a", "good"], [])


# --- Parquet ------------------------------------------------------------------------------------


def test_parquet_with_extra_columns(beside: Zone) -> None:
    """What no source reads is kept in the record's text, whatever its type."""
    table = pa.Table.from_pylist(
        [
            amount("a")
            | {"n": float("nan"), "in": {"x": float("nan")}, "b": b"\xff\0", "of": [1.5, None]}
        ]
    )
    parquet(beside, "quantities/a.parquet", table.append_column("none", pa.array([None])))
    beside.load()
    assert (ids(beside), beside.reasons()) == (["a", "good"], [])


def test_parquet_with_missing_columns(beside: Zone) -> None:
    """One that is needed rejects the file, one that is not is empty."""
    table = pa.Table.from_pylist([amount("a")])
    parquet(beside, "quantities/a.parquet", table.drop_columns(["account_ref"]))
    events = pa.Table.from_pylist([PAUSED | {"event_data": None}])
    parquet(beside, "e2b/a.parquet", events.drop_columns(["sandbox_build_id", "event_data"]))
    beside.load()
    assert beside.reasons() == ["the header has no column account_ref"]
    assert ids(beside) == ["good"]
    found = beside.rows("select build_id, vcpu from raw.e2b_events")
    assert found == [{"build_id": None, "vcpu": None}]


def test_parquet_whose_text_is_none(beside: Zone) -> None:
    ends = pa.py_buffer(bytes([0, 0, 0, 0, 2, 0, 0, 0]))
    broken = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(b"\xff\xfe")])
    parquet(
        beside,
        "quantities/a.parquet",
        pa.Table.from_pylist([QUANTITY]).append_column("note", broken),
    )
    beside.load()
    (reason,) = beside.reasons()
    assert reason.startswith("file is not readable Parquet: ")
    assert "UTF8" in reason
    assert ids(beside) == ["good"]


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_json_lines_with_crlf(beside: Zone, end: str) -> None:
    texts = [json.dumps(amount("a")), "", json.dumps(amount("b"))]
    beside.write("quantities/a.jsonl", end.join(texts) + end)
    beside.load()
    assert (ids(beside), beside.reasons()) == (["a", "b", "good"], [])


@pytest.mark.parametrize("between", ["", " ", "\n", "\r\n\r\n"])
def test_several_json_documents_in_one_file(beside: Zone, between: str) -> None:
    documents = [json.dumps(amount(name), indent=1) for name in "abc"]
    beside.write("quantities/a.json", between.join(documents))
    beside.load()
    assert (ids(beside), beside.reasons()) == (["a", "b", "c", "good"], [])


@pytest.mark.parametrize("number", ["1e9999999999999999999", "9" * 5000])
def test_numbers_that_nothing_can_hold_cost_one_record_each(beside: Zone, number: str) -> None:
    texts = [json.dumps(amount(name)) for name in "ab"]
    spoiled = json.dumps(amount("spoiled") | {"size": 7200}).replace("7200", number)
    beside.write("quantities/a.json", f"[{texts[0]},{spoiled},{texts[1]}]")
    beside.write("daytona/usage_polls/a.json", json.dumps(USAGE_POLL).replace("7200", number))
    beside.write("stripe/customers/a.json", f'{{"id":"cus_1","x":{number}}} {{"id":"cus_2"}}')
    beside.load()
    assert (ids(beside), set(beside.reasons())) == (
        ["a", "b", "good"],
        {"record holds a number that nothing can hold"},
    )
    assert beside.rows("select object_id from raw.stripe_objects") == [{"object_id": "cus_2"}]


def test_half_of_a_surrogate_pair_in_a_stripe_object_costs_that_object(beside: Zone) -> None:
    """Staging reads these texts as JSON, and the database refuses to: one would stop every run."""
    half = '{"id":"cus_1","name":"\\ud83d"}'
    page = '{"object":"list","data":[' + half.replace("1", "2") + ',{"id":"cus_3","name":"é"}]}'
    beside.lines("stripe/customers/a.jsonl", half, page, '{"id":"cus_4","name":"\\ud83d\\ude00"}')
    beside.load()
    assert beside.reasons() == ["record holds half of a surrogate pair, which is not text"] * 2
    found = beside.rows("select object_id, raw->>'name' as name from raw.stripe_objects order by 1")
    assert [tuple(each.values()) for each in found] == [("cus_3", "é"), ("cus_4", "😀")]
