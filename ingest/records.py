"""Loading one file of records into its raw table: the vectorised path, and the careful one.

Every batch goes through DuckDB first, which types the rows whose every field is in canonical form.
What it leaves goes record by record to the Pydantic model of the source, which either accepts an
odd but valid shape or gives the one reason for the quarantine. Both give the same row for the same
record. Rows in equal rows out: each record ends in the raw table or in the quarantine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from ingest.quarantine import BadRecord, Unreadable
from ingest.reading import (
    NUMBER,
    RAW,
    JsonBatch,
    TableBatch,
    csv_batches,
    json_batches,
    parquet_batches,
)
from ingest.values import (
    GIB_PLACES,
    GIB_WIDTH,
    TIME_PATTERN,
    WHOLE_PATTERN,
    ZONE_PATTERN,
    one_reason,
    parse_json,
)

TIMESTAMP = pa.timestamp("us", tz="UTC")

# Planning the vectorised path costs more than reading this many records one by one.
FEW = 250


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
    columns, and `ok`, whether every field was canonical.
    """

    table: str
    columns: Mapping[str, pa.DataType]
    read: ReadRecord
    required_columns: Sequence[Sequence[str]]
    json_sql: Callable[[duckdb.DuckDBPyConnection, Origin], str]
    table_sql: Callable[[Sequence[str]], str]


@dataclass
class Loaded:
    """What came of one file."""

    accepted: int = 0
    bad: list[BadRecord] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Records in the file, good and bad."""
        return self.accepted + len(self.bad)


def load_records(
    con: duckdb.DuckDBPyConnection,
    source: RecordSource,
    path: Path,
    family: str,
    load_seq: int,
    secret: str | None,
) -> Loaded:
    """Append the file's good records to the raw table, inside the caller's transaction.

    Raises Unreadable when the file as a whole cannot be read; the caller then rolls back.
    """
    loaded = Loaded()
    origin = Origin(is_table=family != "json", secret=secret)
    # The reading is done beside the transaction: inside of it every batch would be held in memory
    # until the end.
    with con.cursor() as reader:
        reader.execute("set TimeZone = 'UTC'")
        into = _Into(con, reader, source, origin, load_seq, loaded)
        if family == "json":
            for json_batch in json_batches(path):
                loaded.bad += json_batch.bad
                _load_json(into, json_batch)
        else:
            batches = csv_batches(path) if family == "csv" else parquet_batches(path)
            for table_batch in batches:
                loaded.bad += table_batch.bad
                _require_columns(source, table_batch.rows.column_names)
                _load_table(into, table_batch)
    loaded.bad.sort(key=lambda record: record.record_number or 0)
    return loaded


@dataclass(frozen=True)
class _Into:
    """Where the records of one file go: `con` writes, `reader` types."""

    con: duckdb.DuckDBPyConnection
    reader: duckdb.DuckDBPyConnection
    source: RecordSource
    origin: Origin
    load_seq: int
    loaded: Loaded


def _require_columns(source: RecordSource, names: Sequence[str]) -> None:
    for alternatives in source.required_columns:
        if not set(alternatives) & set(names):
            raise Unreadable(f"the header has no column {' or '.join(alternatives)}")


def _load_json(into: _Into, batch: JsonBatch) -> None:
    odd = list(zip(batch.numbers, batch.texts, strict=True))
    if len(odd) > FEW:
        numbers = pa.array(batch.numbers, pa.int32())
        texts = pa.array(batch.texts, pa.string())
        into.reader.register("batch", pa.table({"record_number": numbers, "raw": texts}))
        left = _insert_canonical(into, into.source.json_sql(into.reader, into.origin))
        into.reader.unregister("batch")
        odd = [(number, raw) for number, raw in odd if number in left] if left else []
    _insert_carefully(into, [(number, raw, None) for number, raw in odd])


def _load_table(into: _Into, batch: TableBatch) -> None:
    if not batch.rows.num_rows:
        return
    names = [name for name in batch.rows.column_names if name not in (NUMBER, RAW)]
    into.reader.register("batch", batch.rows)
    fields = into.reader.sql(_fields_sql(batch.rows.schema)).to_arrow_table()
    into.reader.unregister("batch")
    if fields.num_rows > FEW:
        into.reader.register("fields", fields)
        left = _insert_canonical(into, into.source.table_sql(names))
        into.reader.unregister("fields")
        fields = fields.filter(pc.is_in(fields[NUMBER], pa.array(sorted(left), pa.int32())))
    odd = fields.sort_by(NUMBER).to_pylist()
    _insert_carefully(into, [(row.pop(NUMBER), row.pop(RAW), row) for row in odd])


def _insert_canonical(into: _Into, select: str) -> set[int]:
    """Append the rows that the database could type; returns the numbers of the others."""
    staged = into.reader.sql(select).to_arrow_table()
    is_typed = pc.fill_null(staged["ok"], fill_value=False)
    typed = staged.filter(is_typed)
    load_seq = pa.repeat(pa.scalar(into.load_seq, pa.int32()), typed.num_rows)
    columns = ["record_number", "known_at", *into.source.columns, "raw"]
    _append(into.con, into.source.table, typed.select(columns).append_column("load_seq", load_seq))
    into.loaded.accepted += typed.num_rows
    return set(staged.filter(pc.invert(is_typed))["record_number"].to_pylist())


def _insert_carefully(into: _Into, odd: Sequence[tuple[int, str, dict[str, Any] | None]]) -> None:
    rows: list[dict[str, Any]] = []
    for number, raw, fields in odd:
        try:
            row = read_one(into.source.read, raw if fields is None else fields, into.origin)
        except ValueError as error:
            into.loaded.bad.append(BadRecord(number, str(error), raw))
            continue
        rows.append(row | {"load_seq": into.load_seq, "record_number": number, "raw": raw})
    insert_rows(into.con, into.source.table, into.source.columns, rows)
    into.loaded.accepted += len(rows)


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
    _append(con, table, pa.Table.from_pylist([dict(row) for row in rows], schema=schema))


def _append(con: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Append Arrow rows, columns by name."""
    names = ", ".join(rows.column_names)
    insert = f"insert into {table} ({names}) select {names}"
    if rows.num_rows <= FEW:
        con.register("few_rows", rows)
        con.execute(f"{insert} from few_rows")
        con.unregister("few_rows")
        return
    # What a transaction reads from memory it holds in memory until its end. What it reads from a
    # file it does not.
    with tempfile.TemporaryDirectory(prefix="meterhouse-") as folder:
        file = f"{folder}/rows.parquet"
        pq.write_table(rows, file, compression="lz4", use_dictionary=False, write_statistics=False)
        con.execute(f"{insert} from read_parquet({literal(file)})")


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


def keys_within(document: str, known: Sequence[str]) -> str:
    """Whether an object's keys are all known and none comes twice."""
    keys = f"json_keys({document})"
    return f"list_has_all({text_list(known)}, {keys}) and len({keys}) = len(list_distinct({keys}))"


# The database reads what strict JSON is not (a trailing comma, NaN), and prints escapes its own
# way: texts with any of them go to the careful path, which decides.
ODD_JSON = literal(r"\\|\x00|,\s*[}\]]|[:\[,]\s*[-+]?[nNiI][aAnN][nNfF]")


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
