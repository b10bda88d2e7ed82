"""Loading files of records into their raw table: the vectorised path, and the careful one.

The records of a file, or of many small files together, stream through one INSERT, which types the
rows whose every field is in canonical form. What it leaves out goes record by record to the
Pydantic model of the source, which either accepts an odd but valid shape or gives the one reason
for the quarantine. Both give the same row for the same record. Rows in equal rows out: each record
ends in the raw table or in the quarantine.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from ingest.quarantine import BadRecord, Unreadable
from ingest.reading import NUMBER, RAW, csv_batches, json_batches, parquet_batches, unpaged
from ingest.values import (
    GIB_PLACES,
    GIB_WIDTH,
    TIME_PATTERN,
    UNIX_MS_BEFORE,
    UNIX_MS_FROM,
    WHOLE_PATTERN,
    ZONE_PATTERN,
    one_reason,
    parse_json,
)
from ingest.warehouse import fed, registered

TIMESTAMP = pa.timestamp("us", tz="UTC")

# Planning the vectorised path costs more than reading this many records one by one.
FEW = 250
# Fewer records than this in one piece cost the database more than the records do; but no piece
# is made larger than so many bytes.
PIECE = 4096
PIECE_BYTES = 8 * 1024 * 1024
# How far the reading of a long file is, is told each time that it has read so many records.
TELL_EVERY = 100_000


@dataclass(frozen=True)
class Origin:
    """Where a record came from, as far as its reading depends on it."""

    is_table: bool
    secret: str | None = None


# A record as parsed, and where it came from, to the columns of its row. ValueError: the reason.
ReadRecord = Callable[[Any, Origin], dict[str, Any]]


@dataclass(frozen=True)
class RecordSource:
    """How one source's records become rows.

    `columns` are the table's own (after load_seq, record_number, known_at; before raw), as Arrow
    types. `read` is the careful path. `json_sql(con, origin)` and `table_sql(names)`
    give the vectorised path: a SELECT from `batch` (JSON: `record_number`, `raw`) or from
    `fields` (tables: NUMBER, RAW and each column as text) to `record_number, raw, known_at`, the
    columns, and `ok`, whether every field was canonical; rows that are not may be left out. A
    source without `table_sql` has no tables: such a file is unreadable. `reads_once` says which of
    the two read their relation in a single scan: that may then be a stream of many batches, which
    the others get one by one. `page_key` is the key under which an answer of the provider's API
    lists records: such a page in a JSON file is its records.
    """

    table: str
    columns: Mapping[str, pa.DataType]
    read: ReadRecord
    required_columns: Sequence[Sequence[str]]
    json_sql: Callable[[duckdb.DuckDBPyConnection, Origin], str]
    table_sql: Callable[[Sequence[str]], str] | None
    reads_once: Sequence[Literal["json", "table"]] = ()
    page_key: str | None = None


@dataclass
class Loaded:
    """What came of one file."""

    accepted: int = 0
    bad: list[BadRecord] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Records in the file, good and bad."""
        return self.accepted + len(self.bad)


@dataclass(frozen=True)
class NewFile:
    """A file to load under a number; `name` is what messages call it."""

    path: Path
    name: str
    load_seq: int


class ChangedWhileRead(Exception):  # noqa: N818
    """A file whose content is no longer what it was a moment ago: a later run takes it."""


def load_records(
    con: duckdb.DuckDBPyConnection,
    source: RecordSource,
    path: Path,
    family: str,
    load_seq: int,
    secret: str | None,
) -> Loaded:
    """Append the file's good records to the raw table, inside the caller's transaction.

    Raises Unreadable when the file as a whole cannot be read; nothing of it is then in the table.
    """
    loaded = load_files(con, source, family, [NewFile(path, path.name, load_seq)], secret)[load_seq]
    if isinstance(loaded, Unreadable):
        raise loaded
    return loaded


def load_files(
    con: duckdb.DuckDBPyConnection,
    source: RecordSource,
    family: str,
    files: Sequence[NewFile],
    secret: str | None,
    tell: Callable[[str], None] | None = None,
) -> dict[int, Loaded | Unreadable]:
    """Append the good records of files of one family, inside the caller's transaction.

    Returns what came of each, by its number; nothing of an unreadable file is in the table.
    `tell` is told how far the reading of a long file is. Raises ChangedWhileRead when a file does
    not read twice alike.
    """
    origin = Origin(is_table=family != "json", secret=secret)
    into = _Into(con, source, origin)
    if family == "json":
        json_pieces = partial(_json_pieces, page_key=source.page_key)
        return _load_together(into, _Reading(into, json_pieces, files, tell))
    pieces = _csv_pieces if family == "csv" else _parquet_pieces
    came: dict[int, Loaded | Unreadable] = {}
    for file in files:
        # Each with its own columns.
        came |= _load_together(into, _Reading(into, pieces, [file], tell))
    return came


@dataclass(frozen=True)
class _Into:
    """Where the records of some files go."""

    con: duckdb.DuckDBPyConnection
    source: RecordSource
    origin: Origin

    @property
    def number(self) -> str:
        """The column of a batch that holds the record's number."""
        return NUMBER if self.origin.is_table else "record_number"


# --- Reading several files as one stream ------------------------------------------------------

_Piece = tuple[pa.Table, list[BadRecord]]


def _json_pieces(path: Path, page_key: str | None) -> Iterator[_Piece]:
    batches = json_batches(path)
    for batch in batches if page_key is None else unpaged(batches, page_key):
        rows = {"record_number": batch.number_array, "raw": batch.text_array}
        yield pa.table(rows), batch.bad


def _csv_pieces(path: Path) -> Iterator[_Piece]:
    return ((batch.rows, batch.bad) for batch in csv_batches(path))


def _parquet_pieces(path: Path) -> Iterator[_Piece]:
    return ((batch.rows, batch.bad) for batch in parquet_batches(path))


@dataclass
class _Reading:
    """Files read as one stream of tables whose record numbers say the file too (see `_keyed`).

    Counts the records by load, and keeps what was bad before anyone looked into it. An unreadable
    file ends where it breaks, and is noted. `done` says how many records, and up to which number,
    were read carefully before there were many.
    """

    into: _Into
    pieces: Callable[[Path], Iterator[_Piece]]
    files: Sequence[NewFile]
    tell: Callable[[str], None] | None = None
    counts: Counter[int] = field(default_factory=Counter)
    bad: dict[int, list[BadRecord]] = field(default_factory=dict)
    unreadable: dict[int, Unreadable] = field(default_factory=dict)
    done: int = 0
    done_up_to: int = -1
    stopped_by: Exception | None = None

    def tables(self) -> Iterator[pa.Table]:
        """The records, in tables of one file each."""
        for file in self.files:
            bad = self.bad.setdefault(file.load_seq, [])
            try:
                for rows, unfit in self.pieces(file.path):
                    if self.into.origin.is_table:
                        _require_columns(self.into.source, rows.column_names)
                    bad += unfit
                    self._count(file, rows.num_rows)
                    yield _keyed(rows, self.into.number, file.load_seq)
            except Unreadable as unreadable:
                self.unreadable[file.load_seq] = unreadable

    def _count(self, file: NewFile, records: int) -> None:
        before = self.counts[file.load_seq]
        self.counts[file.load_seq] = count = before + records
        if self.tell is not None and count // TELL_EVERY > before // TELL_EVERY:
            self.tell(f"{file.name}: {count} records read")

    def stream(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The tables as the database pulls them, keeping what was raised meanwhile.

        Through the database it comes out as a text of the database's.
        """
        try:
            for table in in_pieces(tables):
                yield from table.to_batches()
        except Exception as error:
            self.stopped_by = error
            raise


def _require_columns(source: RecordSource, names: Sequence[str]) -> None:
    if source.table_sql is None:
        raise Unreadable("this source is read as JSON, not as a table")
    for alternatives in source.required_columns:
        if not set(alternatives) & set(names):
            raise Unreadable(f"the header has no column {' or '.join(alternatives)}")


def _keyed(rows: pa.Table, number: str, load_seq: int) -> pa.Table:
    """The rows with the number of the load in the upper half of their record number."""
    keys = pc.add(rows[number].cast(pa.int64()), pa.scalar(load_seq << 32, pa.int64()))
    return rows.set_column(rows.column_names.index(number), number, keys)


_LOWER_HALF = 2**32 - 1


def in_pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables, small ones put together, each as one batch."""
    waiting: list[pa.Table] = []
    records = size = 0
    for table in tables:
        if table.num_rows:
            waiting.append(table)
            records += table.num_rows
            size += table.nbytes
        if records >= PIECE or size >= PIECE_BYTES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, records, size = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


# --- Loading them -----------------------------------------------------------------------------


def _load_together(into: _Into, reading: _Reading) -> dict[int, Loaded | Unreadable]:
    tables = reading.tables()
    rejected: dict[int, list[BadRecord]] = {}
    first: list[pa.Table] = []
    for table in tables:
        first.append(table)
        if sum(each.num_rows for each in first) > FEW:
            _load_many(into, reading, chain(first, tables), rejected)
            break
        if sum(each.nbytes for each in first) > PIECE_BYTES:
            _insert_all_carefully(into, reading, first, rejected)
            first = []
    else:
        _insert_all_carefully(into, reading, first, rejected)
    return {file.load_seq: _came_of(into, reading, rejected, file) for file in reading.files}


def _insert_all_carefully(
    into: _Into,
    reading: _Reading,
    tables: Iterable[pa.Table],
    rejected: dict[int, list[BadRecord]],
) -> None:
    for table in in_pieces(tables):
        _insert_carefully(into, table, rejected)
        reading.done += table.num_rows
        reading.done_up_to = pc.max(table[into.number]).as_py()


def _came_of(
    into: _Into, reading: _Reading, rejected: Mapping[int, list[BadRecord]], file: NewFile
) -> Loaded | Unreadable:
    load_seq = file.load_seq
    if load_seq in reading.unreadable:
        into.con.execute(f"delete from {into.source.table} where load_seq = ?", [load_seq])
        return reading.unreadable[load_seq]
    bad = rejected.get(load_seq, [])
    every = sorted(reading.bad[load_seq] + bad, key=lambda record: record.record_number or 0)
    return Loaded(reading.counts[load_seq] - len(bad), every)


def _load_many(
    into: _Into,
    reading: _Reading,
    tables: Iterator[pa.Table],
    rejected: dict[int, list[BadRecord]],
) -> None:
    """Insert what the database can type, then the rest record by record."""
    inserted = 0
    head = next(tables)
    schema, tables = head.schema, chain([head], tables)
    if ("table" if into.origin.is_table else "json") in into.source.reads_once:
        batches = pa.RecordBatchReader.from_batches(schema, reading.stream(tables))
        try:
            with registered(into.con, "batch", batches):
                inserted = _insert_canonical(into, schema)
        except duckdb.Error as error:
            raise reading.stopped_by or error from error
    else:
        for table in in_pieces(tables):
            with fed(into.con, "batch", table):
                inserted += _insert_canonical(into, schema)
    left = reading.counts.total() - reading.done - inserted
    if left:
        # Only now it is known which records are odd: they are read again, not all held until here.
        again = _Reading(into, reading.pieces, _files_with_odd(into, reading))
        for table in in_pieces(again.tables()):
            odd = _not_inserted(into, table, reading.done_up_to)
            _insert_carefully(into, odd, rejected)
            left -= odd.num_rows
        if left:
            raise ChangedWhileRead


def _insert_canonical(into: _Into, schema: pa.Schema) -> int:
    """Append the rows of `batch` that the database can type; returns how many."""
    if into.origin.is_table:
        names = [name for name in schema.names if name not in (NUMBER, RAW)]
        # A file of a source without tables was refused by `_require_columns`.
        assert into.source.table_sql is not None
        select = into.source.table_sql(names)
        typed = f"with fields as ({_fields_sql(schema)}) select * from ({select})"
    else:
        typed = into.source.json_sql(into.con, into.origin)
    columns = ", ".join(["known_at", *into.source.columns, "raw"])
    with _filters_in_place(into.con):
        (inserted,) = into.con.execute(
            f"insert into {into.source.table} (load_seq, record_number, {columns})"
            f" select cast(record_number >> 32 as integer),"
            f" cast(record_number & {_LOWER_HALF} as integer), {columns}"
            f" from ({typed}) where ok"
        ).fetchall()
    return int(inserted[0])


@contextmanager
def _filters_in_place(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Inside of the block a filter stays where the query has it.

    Moved below the projections that make `ok`, it would repeat their work: each value would be
    read twice, once to be checked and once to be kept.
    """
    con.execute("set disabled_optimizers = 'filter_pushdown'")
    yield
    # Not after an error: then nothing is executed before the rollback, and nothing depends on it.
    con.execute("reset disabled_optimizers")


def _files_with_odd(into: _Into, reading: _Reading) -> list[NewFile]:
    seqs = [file.load_seq for file in reading.files]
    rows = into.con.execute(
        f"select load_seq, count(*) from {into.source.table}"
        " where load_seq between ? and ? group by load_seq",
        [min(seqs), max(seqs)],
    ).fetchall()
    found = dict(rows)
    return [
        file
        for file in reading.files
        if found.get(file.load_seq, 0) != reading.counts[file.load_seq]
    ]


def _not_inserted(into: _Into, table: pa.Table, after: int) -> pa.Table:
    """The rows of a piece, with numbers after some number, that are not in the raw table."""
    span = pc.min_max(table[into.number]).as_py()
    low, high = span["min"], span["max"]
    one_load = low >> 32 == high >> 32
    numbers = f" and record_number between {low & _LOWER_HALF} and {high & _LOWER_HALF}"
    with fed(into.con, "read_again", table.select([into.number])):
        left = into.con.sql(
            f"""
            select {into.number} from read_again
            anti join (
                select (cast(load_seq as bigint) << 32) + record_number as inserted
                from {into.source.table}
                where load_seq between {low >> 32} and {high >> 32} {numbers if one_load else ""}
            ) on inserted = {into.number}
            where {into.number} > {after}
            """
        ).to_arrow_table()
    if not left.num_rows:
        return table.slice(0, 0)
    if not into.origin.is_table:
        # Views cannot be filtered.
        table = table.set_column(1, "raw", table["raw"].cast(pa.string()))
    return table.filter(pc.is_in(table[into.number], left[into.number].combine_chunks()))


def _insert_carefully(into: _Into, odd: pa.Table, rejected: dict[int, list[BadRecord]]) -> None:
    """Read the records of a piece one by one: append the good ones, collect the others."""
    rows: list[dict[str, Any]] = []
    for key, raw, fields in _one_by_one(into, odd):
        load_seq, number = key >> 32, key & _LOWER_HALF
        try:
            row = read_one(into.source.read, raw if fields is None else fields, into.origin)
        except ValueError as error:
            rejected.setdefault(load_seq, []).append(BadRecord(number, str(error), raw))
            continue
        rows.append(row | {"load_seq": load_seq, "record_number": number, "raw": raw})
    insert_rows(into.con, into.source.table, into.source.columns, rows)


def _one_by_one(into: _Into, rows: pa.Table) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """Number, text and, of a table, the fields as text of each row."""
    if not rows.num_rows:
        return
    if not into.origin.is_table:
        for number, raw in zip(
            *(rows[name].to_pylist() for name in rows.column_names), strict=True
        ):
            yield number, raw, None
        return
    if RAW not in rows.column_names:
        with fed(into.con, "batch", rows):
            rows = into.con.sql(_fields_sql(rows.schema)).to_arrow_table().sort_by(NUMBER)
    for row in rows.to_pylist():
        yield row.pop(NUMBER), row.pop(RAW), row


def read_one(read: ReadRecord, record: str | dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The careful path for one record: JSON text, or the fields of a table's row.

    Raises ValueError with the one reason when the record cannot be accepted.
    """
    try:
        parsed = parse_json(record) if isinstance(record, str) else record
    except ValueError as error:
        raise ValueError(f"record {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError("record is not a JSON object")
    try:
        return read(parsed, origin)
    except ValidationError as error:
        raise ValueError(one_reason(error)) from error


def insert_rows(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, pa.DataType],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Append rows (dicts with load_seq, record_number, known_at, the columns and raw)."""
    if not rows:
        return
    schema = pa.schema(
        [
            ("load_seq", pa.int32()),
            ("record_number", pa.int32()),
            ("known_at", TIMESTAMP),
            *columns.items(),
            ("raw", pa.string()),
        ]
    )
    names = ", ".join(schema.names)
    with fed(con, "new_rows", pa.Table.from_pylist([dict(row) for row in rows], schema=schema)):
        con.execute(f"insert into {table} ({names}) select {names} from new_rows")


# --- SQL that the vectorised paths share ------------------------------------------------------


def quoted(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def text_list(texts: Sequence[str]) -> str:
    """Texts as a SQL list."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def joined(*texts: str) -> str:
    """SQL texts put together, nulls as nothing."""
    return f"concat({', '.join(texts)})"


def values_of(document: str, types: Mapping[str, Any]) -> str:
    """An object's values under some names as a struct of SQL types; null when it is not JSON."""
    return f"try(json_transform({document}, {literal(json.dumps(types))}))"


def only_types(document: str, paths: Sequence[str], types: Sequence[str]) -> str:
    """Whether the values at some paths are of these JSON types, or missing."""
    others = f"lambda t: not list_contains({text_list(types)}, t)"
    return f"len(list_filter(json_type({document}, {text_list(paths)}), {others})) = 0"


def json_text(value: str) -> str:
    """Text of a JSON string value without escapes; null for any other JSON value or ''."""
    inner = f"substring({value}, 2, length({value}) - 2)"
    return f"case when {value}[1] = '\"' then nullif({inner}, '') end"


def opened(document: str, names: Sequence[str]) -> str:
    """An object's values under some names, as a struct of JSON texts; null where absent or null."""
    shape = json.dumps(dict.fromkeys(names, "JSON"))
    texts = ", ".join(f"{quoted(name)} varchar" for name in names)
    return f"cast(json_transform({document}, {literal(shape)}) as struct({texts}))"


def is_json_null(value: str) -> str:
    """Whether a JSON value is missing or null."""
    return f"({value} is null or {value} = 'null')"


def keys_within(document: str, known: Sequence[str], path: str = "$") -> str:
    """Whether the keys of the object at a path are all known and none comes twice."""
    keys = f"json_keys({document})" if path == "$" else f"json_keys({document}, {literal(path)})"
    return f"list_has_all({text_list(known)}, {keys}) and len({keys}) = len(list_distinct({keys}))"


# The database reads what strict JSON is not (a trailing comma, NaN), and prints escapes its own
# way: texts with any of them go to the careful path, which decides.
_ODD_TOKENS = r"\x00|,\s*[}\]]|[:\[,]\s*[-+]?[nNiI][aAnN][nNfF]"
ODD_TOKENS = literal(_ODD_TOKENS)
ODD_JSON = literal(rf"\\|{_ODD_TOKENS}")


def strict_object(text: str) -> str:
    """The text if it is a JSON object that both paths read alike, else null.

    A CASE, because only that keeps the functions that raise on bad JSON from seeing any.
    """
    return (
        f"case when {text}[1] = '{{' and json_valid({text})"
        f" and not regexp_matches({text}, {ODD_JSON}) then {text} end"
    )


def typed_time(text: str) -> str:
    """A canonical time as TIMESTAMPTZ, else null."""
    pattern = literal(TIME_PATTERN + ZONE_PATTERN)
    typed = f"try_cast({text} as timestamptz)"
    return f"case when regexp_full_match({text}, {pattern}) then {typed} end"


def naive_as_utc(text: str) -> str:
    """Text of a time, with Z added when it is canonical but for its missing zone."""
    pattern = literal(TIME_PATTERN)
    return f"case when regexp_full_match({text}, {pattern}) then {text} || 'Z' else {text} end"


def typed_whole(text: str, low: int, high: int) -> str:
    """A canonical whole number between the bounds as BIGINT, else null."""
    number = f"try_cast({text} as bigint)"
    return (
        f"case when regexp_full_match({text}, {literal(WHOLE_PATTERN)})"
        f" and {number} between {low} and {high} then {number} end"
    )


def typed_unix_ms(text: str) -> str:
    """Canonical whole milliseconds since 1970 as TIMESTAMPTZ, else null."""
    milliseconds = typed_whole(text, UNIX_MS_FROM, UNIX_MS_BEFORE - 1)
    return f"make_timestamptz(({milliseconds}) * 1000)"


def typed_decimal(text: str, width: int, scale: int) -> str:
    """A canonical decimal of zero or more, as DECIMAL(width, scale) and exact, else null."""
    pattern = literal(rf"(0|[1-9][0-9]{{0,{width - scale - 1}}})(\.[0-9]{{1,{scale}}})?")
    return (
        f"case when regexp_full_match({text}, {pattern})"
        f" then try_cast({text} as decimal({width},{scale})) end"
    )


def typed_mib_of_gib(text: str, low: int, high: int) -> str:
    """A canonical decimal of GiB as whole MiB between the bounds, BIGINT, else null."""
    # 1/1024 has ten decimal places: a number with more of them is no whole number of MiB.
    mib = f"{typed_decimal(text, GIB_WIDTH, GIB_PLACES)} * 1024"
    whole = f"try_cast({mib} as bigint)"
    return f"case when {mib} = {whole} and {whole} between {low} and {high} then {whole} end"


def _fields_sql(schema: pa.Schema) -> str:
    """SELECT from `batch` of NUMBER, RAW, and every column as text."""
    names = [name for name in schema.names if name not in (NUMBER, RAW)]
    texts = {name: _as_text(name, schema.field(name).type) for name in names}
    if RAW in schema.names:
        raw = RAW
    else:
        members = ", ".join(
            f"{quoted(name)} := {_as_json(name, schema.field(name).type, texts[name])}"
            for name in names
        )
        raw = f"cast(to_json(struct_pack({members})) as varchar)"
    selected = ", ".join(f"{text} as {quoted(name)}" for name, text in texts.items())
    return f"select {NUMBER}, {raw} as {RAW}, {selected} from batch"


def _as_text(name: str, kind: pa.DataType) -> str:
    column = quoted(name)
    if pa.types.is_timestamp(kind):
        # A column adjusted to UTC has a zone; one that is not has none, and says none.
        if kind.tz is not None:
            return f"replace(cast({column} at time zone 'UTC' as varchar), ' ', 'T') || 'Z'"
        return f"replace(cast({column} as varchar), ' ', 'T')"
    if pa.types.is_nested(kind):
        return f"cast(to_json({column}) as varchar)"
    return f"cast({column} as varchar)"


def _as_json(name: str, kind: pa.DataType, text: str) -> str:
    is_plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind)
    return quoted(name) if is_plain else text
