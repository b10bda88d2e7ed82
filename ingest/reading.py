"""From a file to batches of records: bytes, compression, encoding, lines, arrays and tables.

What a JSON file holds (lines, one array, objects one after another) is told from its content,
never from its name, so that the same content reads the same under any name.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from ingest.quarantine import BadRecord, Unreadable

BLOCK_BYTES = 8 * 1024 * 1024
# A first line longer than this is taken for a document without lines.
HEAD_BYTES = 64 * 1024 * 1024
# Lines are cut from smaller blocks: memory of this size is handed out again, not asked for anew.
LINES_BYTES = 4 * 1024 * 1024
TABLE_ROWS = 25_000

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
COMPRESSED_SUFFIXES = (".gz", ".zst")

# A compressed file that unfolds to more than both of these, in bytes and in times its size, is not
# what it seems: records compress to a tenth or a fiftieth.
UNFOLDED_BYTES = 64 * 1024 * 1024
UNFOLDED_TIMES = 200

# Names of the two columns that a table batch carries beside the file's own.
NUMBER, RAW = "__number", "__raw"

# Where a quote is never closed, a field would be the rest of the file.
csv.field_size_limit(HEAD_BYTES)


@dataclass
class JsonBatch:
    """Some records of a JSON file: their numbers and texts, and what is not text at all."""

    number_array: pa.Int32Array
    text_array: pa.StringViewArray
    bad: list[BadRecord] = field(default_factory=list)

    @classmethod
    def of(
        cls, numbers: Sequence[int], texts: Sequence[str], bad: Sequence[BadRecord] = ()
    ) -> JsonBatch:
        """A batch from lists."""
        return cls(pa.array(numbers, pa.int32()), pa.array(texts, pa.string_view()), list(bad))

    @property
    def numbers(self) -> list[int]:
        """The record numbers."""
        return cast(list[int], self.number_array.to_pylist())

    @property
    def texts(self) -> list[str]:
        """The texts of the records."""
        return cast(list[str], self.text_array.to_pylist())


@dataclass
class TableBatch:
    """Some rows of a CSV or Parquet file.

    `rows` has the columns of the file, then NUMBER (1-based) and, for CSV, RAW (the text as it
    came). `bad` holds rows that do not fit the header.
    """

    rows: pa.Table
    bad: list[BadRecord] = field(default_factory=list)


def family_of(name: str) -> str | None:
    """The family of reader for a file name: json, csv, parquet, or None when there is none."""
    lowered = name.lower()
    if lowered.endswith(".parquet"):
        return "parquet"
    for suffix in COMPRESSED_SUFFIXES:
        lowered = lowered.removesuffix(suffix)
    if lowered.endswith(JSON_SUFFIXES):
        return "json"
    return "csv" if lowered.endswith(".csv") else None


def content_sha256(path: Path) -> str:
    """Hex SHA-256 of the bytes of the file as it is stored (compressed if it is)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Bytes(Protocol):
    """What is read of a file."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, fewer at the end, none after it."""

    def close(self) -> None:
        """Let go of the file."""


def open_plain(path: Path) -> Bytes:
    """The bytes of a file, decompressed by its last suffix.

    Reading raises Unreadable when they cannot be decompressed, or are far too many.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return _Unfolding(gzip.open(path, "rb"), path)
    if suffix == ".zst":
        raw = path.open("rb")
        plain = zstandard.ZstdDecompressor().stream_reader(
            raw, read_across_frames=True, closefd=True
        )
        return _Unfolding(plain, path)
    return path.open("rb")


_BROKEN = (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError)


class _Unfolding:
    """The bytes of a compressed file, as far as they come in reason."""

    def __init__(self, stream: Bytes, path: Path) -> None:
        self._stream = stream
        self._limit = max(UNFOLDED_BYTES, UNFOLDED_TIMES * path.stat().st_size)
        self._count = 0

    def read(self, size: int, /) -> bytes:
        try:
            block = self._stream.read(size)
        except _BROKEN as error:
            raise Unreadable(f"file cannot be decompressed: {error}") from error
        self._count += len(block)
        if self._count > self._limit:
            raise Unreadable(
                f"file unfolds to more than {UNFOLDED_TIMES} times its size;"
                " if that is right, land it uncompressed"
            )
        return block

    def close(self) -> None:
        self._stream.close()


# --- JSON ---------------------------------------------------------------------------------


def json_batches(path: Path) -> Iterator[JsonBatch]:
    """Records of a JSON file: a record a line, elements of an array, or objects in a row.

    Record numbers are line numbers, or positions in the array or row of objects. Raises
    Unreadable when the file cannot be decompressed.
    """
    with closing(open_plain(path)) as stream:
        head = _head(stream).removeprefix(b"\xef\xbb\xbf")
        if _begins_with_a_whole_line(head):
            yield from _line_batches(head, stream)
            return
        parts = [head]
        while block := stream.read(BLOCK_BYTES):
            parts.append(block)
    content = b"".join(parts)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        # Characters cannot be trusted to delimit values: let each line stand for itself.
        yield from _line_batches(content, io.BytesIO())
        return
    documents = _documents(text)
    if documents is None:
        yield from _line_batches(content, io.BytesIO())
    else:
        yield documents


def _head(stream: Bytes) -> bytes:
    """The first block, and more until a line ends in it, for what may be a very long line."""
    head = block = stream.read(BLOCK_BYTES)
    while block and b"\n" not in block and len(head) < HEAD_BYTES:
        block = stream.read(BLOCK_BYTES)
        head += block
    return head


def _begins_with_a_whole_line(head: bytes) -> bool:
    first = head.lstrip().partition(b"\n")[0].strip()
    if not first.startswith(b"{"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _line_batches(head: bytes, stream: Bytes) -> Iterator[JsonBatch]:
    number = 0
    block = head
    rest = b""
    while block:
        block = rest + block
        end = block.rfind(b"\n") + 1
        if end:
            batch, count = _lines(block, end, number)
            number += count
            yield batch
        rest = block[end:]
        block = stream.read(LINES_BYTES)
    if rest:
        yield _lines(rest + b"\n", len(rest) + 1, number)[0]


# A text of up to so many bytes lies inside of a string view, a longer one in a buffer beside it.
_INSIDE_A_VIEW = 12


def _lines(content: bytes, end: int, before: int) -> tuple[JsonBatch, int]:
    """The lines up to where the last one ends, as records from `before` + 1 on.

    Blank lines are no records, but count.
    """
    data = np.frombuffer(content, np.uint8, end)
    ends = np.flatnonzero(data == ord("\n"))
    count = len(ends)
    starts = np.empty(count, np.int64)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    lengths = ends - starts
    is_plain = (
        int(lengths.min()) > _INSIDE_A_VIEW
        and bool((data[starts] == ord("{")).all())
        and b"\r" not in content
    )
    if not is_plain or not _is_text(content, end):
        return _odd_lines(content[:end], before), count
    # The texts stay where they are: a view is length, first four bytes, buffer and offset.
    views = np.zeros((count, 4), np.int32)
    views[:, 0] = lengths
    views[:, 1] = data[starts[:, None] + np.arange(4)].view(np.int32)[:, 0]
    views[:, 3] = starts
    buffers = [None, pa.py_buffer(views), pa.py_buffer(content)]
    texts = pa.Array.from_buffers(pa.string_view(), count, buffers)
    numbers = np.arange(before + 1, before + 1 + count, dtype=np.int32)
    return JsonBatch(pa.array(numbers), texts), count


def _is_text(content: bytes, end: int) -> bool:
    offsets = pa.py_buffer(np.array([0, end], np.int32))
    whole = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _odd_lines(content: bytes, before: int) -> JsonBatch:
    """Lines of which some are blank, end in a carriage return, or are not text."""
    numbers: list[int] = []
    texts: list[str] = []
    bad: list[BadRecord] = []
    for number, piece in enumerate(content.removesuffix(b"\n").split(b"\n"), before + 1):
        line = piece.rstrip(b"\r")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            reason = f"record is not valid UTF-8 at byte {error.start + 1}"
            bad.append(BadRecord(number, reason, line.decode("utf-8", "backslashreplace")))
            continue
        if text and not text.isspace():
            numbers.append(number)
            texts.append(text)
    return JsonBatch.of(numbers, texts, bad)


def unpaged(batches: Iterable[JsonBatch], key: str) -> Iterator[JsonBatch]:
    """The batches of a file, with the records that a page (an object that lists them under `key`)
    holds in the place of the page.

    What stands after a page is numbered on from its records. An empty page is no record.
    """
    shift = 0
    for batch in batches:
        numbers: list[int] = []
        texts: list[str] = []
        bad = deque(batch.bad)
        shifted: list[BadRecord] = []
        if not pc.any(pc.match_substring(batch.text_array.cast(pa.string()), f'"{key}"')).as_py():
            later = pa.scalar(shift, pa.int32())
            shifted = [_moved(record, shift) for record in bad]
            yield JsonBatch(pc.add(batch.number_array, later), batch.text_array, shifted)
            continue
        for number, text in zip(batch.numbers, batch.texts, strict=True):
            while bad and (bad[0].record_number or 0) < number:
                shifted.append(_moved(bad.popleft(), shift))
            held = held_records(text, key)
            if held is None:
                held = [text]
            numbers += range(number + shift, number + shift + len(held))
            texts += held
            shift += len(held) - 1
        shifted += [_moved(record, shift) for record in bad]
        yield JsonBatch.of(numbers, texts, shifted)


def _moved(record: BadRecord, shift: int) -> BadRecord:
    number = record.record_number
    return record if number is None else replace(record, record_number=number + shift)


def held_records(text: str, key: str) -> list[str] | None:
    """The texts of the records of a page, None when the text is no page."""
    if not text.startswith("{"):
        return None
    try:
        pages = [value for name, value in members(text) if name == key]
    except (ValueError, RecursionError):
        return None
    if len(pages) != 1 or not pages[0].startswith("["):
        return None
    return cast(JsonBatch, _documents(pages[0])).texts


def members(text: str) -> list[tuple[str, str]]:
    """Name and text of each member of a JSON object; ValueError when it is none."""
    found: list[tuple[str, str]] = []
    at = _skip(text, 1)
    while text[at : at + 1] == '"':
        name, at = _SLICER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            break
        start = _skip(text, at + 1)
        _, end = _SLICER.raw_decode(text, start)
        found.append((name, text[start:end]))
        at = _skip(text, end)
        if text[at : at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at:].strip(_SPACE) != "}":
        raise ValueError("is not one JSON object")
    return found


# Values are only cut out: a number that Python would not read is the matter of its own record.
_SLICER = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = " \t\n\r"


def _documents(text: str) -> JsonBatch | None:
    """Elements of an array, or objects one after another; None when it is neither.

    Where the text breaks, what stands before is kept. Up to the next line that begins an object it
    is one bad record; inside of an array it is one to its end.
    """
    texts: list[str] = []
    numbers: list[int] = []
    bad: list[BadRecord] = []
    at = _skip(text, 0)
    in_array = False
    while at < len(text):
        if not in_array and text[at] == "[":
            in_array, at = True, _skip(text, at + 1)
            if text[at : at + 1] == "]":
                in_array, at = False, _skip(text, at + 1)
            continue
        try:
            _, end = _SLICER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if not texts and "\n" in text.strip():
                return None
            goes_on = -1 if in_array else text.find("\n{", at)
            bad.append(_broken(len(texts) + len(bad) + 1, text, at, goes_on, error))
            in_array, at = False, len(text) if goes_on < 0 else goes_on + 1
            continue
        numbers.append(len(texts) + len(bad) + 1)
        texts.append(text[at:end])
        at = _skip(text, end)
        if in_array and text[at : at + 1] == "]":
            in_array, at = False, _skip(text, at + 1)
        elif in_array and text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif in_array:
            break
    if in_array:
        if not texts and "\n" in text.strip():
            return None
        why = ValueError("the array does not end")
        bad.append(_broken(len(texts) + len(bad) + 1, text, at, -1, why))
    return JsonBatch.of(numbers, texts, bad)


def _broken(number: int, text: str, at: int, end: int, error: Exception) -> BadRecord:
    """What is no JSON from a place on, up to where records go on; -1: they do not."""
    reason = f"record is not JSON: {str(error).partition(':')[0]}"
    if end < 0:
        return BadRecord(number, f"{reason}; the rest of the file is lost with it", text[at:])
    return BadRecord(number, reason, text[at:end])


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


# --- CSV ----------------------------------------------------------------------------------


class _Remembering:
    """Lines of a text stream, remembering those that made the current row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._taken: list[str] = []

    def __iter__(self) -> _Remembering:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._taken.append(line)
        return line

    def take(self) -> str:
        text = "".join(self._taken).rstrip("\r\n")
        self._taken.clear()
        return text


def csv_batches(path: Path) -> Iterator[TableBatch]:
    """Rows of a CSV file with a header; commas or semicolons, with or without a byte-order mark.

    Blank lines are no records. Raises Unreadable when the file cannot be decompressed or has no
    usable header.
    """
    with closing(open_plain(path)) as stream:
        text = io.TextIOWrapper(
            io.BufferedReader(_Raw(stream), BLOCK_BYTES),
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )
        lines = _Remembering(iter(text))
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        lines.take()
        delimiter = ";" if first.count(";") > first.count(",") else ","
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        _check_header(header)
        number = 0
        columns: list[list[Any]] = [[] for _ in range(len(header) + 2)]
        bad: list[BadRecord] = []
        for row in _rows(lines, delimiter):
            raw = lines.take()
            if not row or not raw.strip():
                continue
            number += 1
            reason = _row_problem(row, raw, len(header))
            if reason:
                bad.append(BadRecord(number, reason, raw))
                continue
            for column, value in zip(columns, [*row, number, raw], strict=True):
                column.append(value)
            if len(columns[0]) == TABLE_ROWS:
                yield TableBatch(_text_table(header, columns), bad)
                columns, bad = [[] for _ in range(len(header) + 2)], []
        yield TableBatch(_text_table(header, columns), bad)


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error as error:
        raise Unreadable(f"file is not readable CSV: {error}; is a quote left open?") from error


# As decoding with surrogateescape keeps them.
_BYTES_THAT_ARE_NO_TEXT = re.compile("[\udc80-\udcff]")


def _check_header(names: Sequence[str]) -> None:
    """Raise Unreadable when the names of a table's columns cannot tell its columns apart."""
    if any("\0" in name or _BYTES_THAT_ARE_NO_TEXT.search(name) for name in names):
        raise Unreadable("the header is not valid UTF-8")
    if len({name.lower() for name in names}) != len(names) or not all(names):
        raise Unreadable("the header has an empty or repeated column name")
    for name in (NUMBER, RAW):
        if name in {each.lower() for each in names}:
            raise Unreadable(f"the header has a column {name}, which no file may have")


def _row_problem(row: list[str], raw: str, width: int) -> str | None:
    if "\0" in raw:
        return "record holds a NUL character"
    if not raw.isascii() and _BYTES_THAT_ARE_NO_TEXT.search(raw):
        return "record is not valid UTF-8"
    if len(row) != width:
        return f"record has {len(row)} columns, the header has {width}"
    return None


def _text_table(header: list[str], columns: list[list[Any]]) -> pa.Table:
    arrays = [pa.array(column, pa.string()) for column in columns[:-2]]
    arrays += [pa.array(columns[-2], pa.int32()), pa.array(columns[-1], pa.string())]
    return pa.table(arrays, names=[*header, NUMBER, RAW])


class _Raw(io.RawIOBase):
    """The bytes of a file as the text layer wants them."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


# --- Parquet ------------------------------------------------------------------------------


def parquet_batches(path: Path) -> Iterator[TableBatch]:
    """Rows of a Parquet file, with its own column types. Raises Unreadable when it is broken."""
    number = 0
    try:
        with pq.ParquetFile(path) as source:
            _check_header(source.schema_arrow.names)
            for batch in source.iter_batches(batch_size=TABLE_ROWS):
                # Writers may store bytes as text that are none.
                batch.validate(full=True)
                numbers = pa.arange(number + 1, number + 1 + batch.num_rows).cast(pa.int32())
                number += batch.num_rows
                table = pa.Table.from_batches([batch])
                yield TableBatch(table.append_column(NUMBER, numbers))
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unreadable(f"file is not readable Parquet: {reason}") from error
