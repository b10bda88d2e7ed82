"""Sources whose record is one flat object or table row: fields, each with a kind and its names.

From one list of fields come both readings of a record: the vectorised SQL, and the picking of
values for the Pydantic model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from ingest import records as sql
from ingest.reading import NUMBER, RAW
from ingest.records import Origin
from ingest.values import is_absent


@dataclass(frozen=True)
class Field:
    """One field: its column, its kind with bounds, and the names it goes by."""

    column: str
    kind: Literal["text", "time", "unix_ms", "whole", "decimal", "gibi"]
    names: tuple[str, ...]
    required: bool = True
    default: str | None = None
    # Bounds of a whole number (of MiB, for a size told in GiB); width and scale of a decimal.
    bounds: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class FlatShape:
    """The fields of a source, the SQL of known_at and of a condition that rows must meet.

    `ignored` are the other keys that records usually have, each with the keys of the object that
    may stand under it: a JSON record with any further key takes the careful path.
    `dimensions` is the column that collects every other key as text, or None; to find the keys,
    the SQL of JSON then reads its batch twice. `naive_as_utc` says that a time without a zone is
    UTC; else it has none and is refused.
    """

    fields: tuple[Field, ...]
    known_at: str
    condition: str = "true"
    dimensions: str | None = None
    naive_as_utc: bool = False
    ignored: Mapping[str, Sequence[str]] | None = None

    @property
    def known_names(self) -> list[str]:
        """Every name that some field goes by."""
        return [name for field in self.fields for name in field.names]

    def pick(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record's values by column: of the names of a field the first that says something."""
        picked: dict[str, Any] = {}
        for field in self.fields:
            given = (record[name] for name in field.names if not is_absent(record.get(name)))
            picked[field.column] = next(given, None)
        return picked

    def others(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What the record says under names that are no field's."""
        known = set(self.known_names)
        return {
            key: value for key, value in record.items() if key not in known and not is_absent(value)
        }

    def json_sql(self, con: duckdb.DuckDBPyConnection, _origin: Origin) -> str:
        """The vectorised path from `batch` (record_number, raw)."""
        others = self._other_keys(con) if self.dimensions else []
        ignored = self.ignored or {}
        known = [*self.known_names, *ignored, *others]
        texts = [f"{self._json_field(field)} as f_{field.column}" for field in self.fields]
        simple = [self._json_simple(field) for field in self.fields]
        simple += [
            _is_simple_aside(f"j.{sql.quoted(key)}", inner) for key, inner in ignored.items()
        ]
        dimensions = [f"j.{sql.quoted(key)}" for key in others]
        simple += [
            f"({sql.is_json_null(value)} or {value}[1] = '\"'"
            f" or regexp_full_match({value}, '0|-?[1-9][0-9]{{0,17}}'))"
            for value in dimensions
        ]
        pairs = [
            f"{sql.literal(json.dumps(key, ensure_ascii=False) + ':')} || "
            f"case when {value}[1] = '\"' then nullif({value}, '\"\"')"
            f" when {value} <> 'null' then '\"' || {value} || '\"' end"
            for key, value in zip(others, dimensions, strict=True)
        ]
        return self._typed(
            f"""
            select record_number, raw, {", ".join(texts)}, {_object(pairs)} as dimensions_text,
                {" and ".join(simple)} as simple
            from (
                select record_number, raw, {sql.opened("doc", known)} as j
                from (select *, {sql.strict_object("raw")} as doc from batch)
                where {sql.keys_within("doc", known)}
            )
            """
        )

    def table_sql(self, names: Sequence[str]) -> str:
        """The vectorised path from `fields` (record_number, raw, every column as text)."""
        texts = []
        for field in self.fields:
            present = [f"nullif({sql.quoted(name)}, '')" for name in field.names if name in names]
            chosen = f"coalesce({', '.join(present)})" if present else "cast(null as varchar)"
            texts.append(f"{chosen} as f_{field.column}")
        others = sorted(set(names) - set(self.known_names)) if self.dimensions else []
        pairs = [
            f"{sql.literal(json.dumps(key, ensure_ascii=False) + ':')}"
            f" || cast(to_json(nullif({sql.quoted(key)}, '')) as varchar)"
            for key in others
        ]
        simple = [
            f"not coalesce(regexp_matches({sql.quoted(key)}, '[\\x00-\\x1f\\x7f]'), false)"
            for key in others
        ]
        return self._typed(
            f"""
            select {NUMBER} as record_number, {RAW} as raw, {", ".join(texts)},
                {_object(pairs)} as dimensions_text, {" and ".join(["true", *simple])} as simple
            from fields
            """
        )

    def _other_keys(self, con: duckdb.DuckDBPyConnection) -> list[str]:
        """Keys of the batch that are no field's: at most a few, of plain characters."""
        rows = con.execute(
            f"""
            select distinct unnest(json_keys({sql.strict_object("raw")})) as key from batch
            """
        ).fetchall()
        known = set(self.known_names)
        plain = sorted(key for (key,) in rows if key not in known and _is_plain(key))
        folded = {name.lower() for name in known}
        distinct = [key for key in plain if key.lower() not in folded]
        return distinct[:64] if len({key.lower() for key in distinct}) == len(distinct) else []

    def _json_field(self, field: Field) -> str:
        candidates = [self._json_value(field, name) for name in field.names]
        return f"coalesce({', '.join(candidates)})"

    def _json_value(self, field: Field, name: str) -> str:
        value = f"j.{sql.quoted(name)}"
        text = sql.json_text(value)
        if field.kind in {"text", "time"}:
            return text
        if field.kind in {"whole", "unix_ms"}:
            bare = f"when {value} <> 'null' then {value}"
            return f"case when {value}[1] = '\"' then {text} {bare} end"
        # The parser prints numbers through double: take the digits from the text itself. Without
        # backslashes or repeated keys in it, the quoted name can only be the key.
        digits = sql.literal(rf'"{name}"\s*:\s*([0-9]+(?:\.[0-9]+)?)\s*[,}}]')
        return (
            f"case when {value}[1] = '\"' then {text}"
            f" when {value} <> 'null' then regexp_extract(raw, {digits}, 1) end"
        )

    def _json_simple(self, field: Field) -> str:
        values = [f"j.{sql.quoted(name)}" for name in field.names]
        numbers = field.kind in {"whole", "unix_ms", "decimal", "gibi"}
        allowed = "'[-\"0-9].*'" if numbers else "'\".*'"
        return " and ".join(
            f"({sql.is_json_null(value)} or regexp_full_match({value}, {allowed}, 's'))"
            for value in values
        )

    def _typed(self, texts: str) -> str:
        """Typed columns from f_<column> texts, of the records whose every field is canonical."""
        typed = []
        checks = ["simple", self.condition]
        for field in self.fields:
            text, column = f"f_{field.column}", field.column
            expression = _typed_expression(field, text, self.naive_as_utc)
            if field.default is not None:
                expression = f"case when {text} is null then {field.default} else {expression} end"
                checks.append(f"{column} is not null")
            elif field.required:
                checks.append(f"{column} is not null")
            else:
                checks.append(f"({text} is null or {column} is not null)")
            typed.append(f"{expression} as {column}")
        dimensions = f", dimensions_text as {self.dimensions}" if self.dimensions else ""
        chosen = ", ".join(field.column for field in self.fields)
        return f"""
            with texts as ({texts}),
            typed as (select *, {", ".join(typed)} from texts)
            select record_number, raw, {self.known_at} as known_at, {chosen}{dimensions},
                true as ok
            from typed
            where {" and ".join(checks)}
            """


def _typed_expression(field: Field, text: str, naive_as_utc: bool) -> str:
    low, high = field.bounds
    if field.kind == "text":
        return f"case when not contains({text}, chr(0)) then {text} end"
    if field.kind == "time":
        return sql.typed_time(sql.naive_as_utc(text) if naive_as_utc else text)
    if field.kind == "unix_ms":
        return sql.typed_unix_ms(text)
    if field.kind == "whole":
        return sql.typed_whole(text, low, high)
    if field.kind == "gibi":
        return sql.typed_mib_of_gib(text, low, high)
    return sql.typed_decimal(text, low, high)


def _is_simple_aside(value: str, keys: Sequence[str]) -> str:
    """Whether a JSON value that is passed over is null, a scalar, or a flat object of some keys.

    Of any other the careful path must see whether a key comes twice in it.
    """
    nested = f"regexp_matches(substring({value}, 2), '[{{\\[]')"
    flat = f"not {nested} and {sql.keys_within(value, keys)}" if keys else "false"
    return (
        f"case when {value} is null then true when {value}[1] = '{{' then {flat}"
        f" else {value}[1] <> '[' end"
    )


def _object(pairs: Sequence[str]) -> str:
    """JSON object text of "key":"value" expressions, those that are null left out."""
    if not pairs:
        return "'{}'"
    said = f"list_filter([{', '.join(pairs)}], lambda p: p is not null)"
    return f"'{{' || array_to_string({said}, ',') || '}}'"


def _is_plain(key: str) -> bool:
    return key.isascii() and key.replace("_", "").isalnum() and len(key) <= 64
