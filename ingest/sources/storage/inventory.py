"""S3 Inventory: a manifest with its checksum, and the data files that it names.

A sample is only as good as all of its files: one that is missing, or is not what the manifest says,
rejects it. Files arrive in any order, so a manifest and the state of its files together decide
what the content of an inventory is: when a missing file arrives, the inventory is judged anew.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import duckdb

from ingest.quarantine import BadRecord
from ingest.records import Loaded, literal
from ingest.sources.gauges import MAX_BYTES
from ingest.sources.storage.samples import PROJECT_PATTERN, Sample, Tally, insert_sample
from ingest.values import is_absent, parse_json, read_text, read_whole, shown

if TYPE_CHECKING:
    from ingest.landing import LandedFile

FOLDER = "storage/inventory"
MANIFEST = "manifest.json"
CHECKSUM = "manifest.checksum"
# A listing of the data files for other tools: nothing that the manifest does not say.
SYMLINKS = "symlink.txt"

_VERSION = "2016-11-30"
_LAST_MS = 253_402_300_799_000
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True)
class DataFile:
    """A data file as the manifest names it: its key, size in bytes, MD5 in hexadecimal."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest says: of when, of which bucket and configuration, and in which files."""

    sampled_at: datetime
    bucket: str
    configuration: str
    is_csv: bool
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]


# --- Which files make an inventory ------------------------------------------------------------


def joined_inventories(
    files: Sequence[LandedFile],
) -> tuple[list[LandedFile], list[str]]:
    """The files that are loads of their own, and the data files that no manifest names yet.

    Of the files below `storage/inventory/` only manifests are loads. Their hash becomes that of
    the manifest, its checksum file and every data file, present or not.
    """
    present = {each.file: each for each in files if each.source == FOLDER}
    loads = [each for each in files if each.source != FOLDER]
    named: set[str] = set()
    for each in present.values():
        name = PurePosixPath(each.file).name
        if name in {CHECKSUM, SYMLINKS}:
            named.add(each.file)
        if name != MANIFEST:
            continue
        named.add(each.file)
        parts = [each.sha256]
        for place in _places(each, present):
            member = present.get(place) if place else None
            parts.append(member.sha256 if member else "missing")
            named.add(place or "")
        state = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        loads.append(replace(each, sha256=state))
    loads.sort(key=lambda landed: landed.file)
    return loads, sorted(set(present) - named)


def _places(landed: LandedFile, present: Mapping[str, object]) -> Iterator[str | None]:
    """Where the checksum and each data file of a manifest lie; None for one that is missing."""
    folder = PurePosixPath(landed.file).parent
    yield f"{folder}/{CHECKSUM}"
    try:
        content = json.loads(landed.path.read_bytes())
        keys = [entry["key"] for entry in content["files"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        # Not a manifest: its loading says why.
        return
    for key in keys:
        yield _place(folder, str(key), present)


def _place(folder: PurePosixPath, key: str, present: Mapping[str, object]) -> str | None:
    """The file of a key: below the nearest folder in which the key, or an end of it, is a path."""
    parts = [part for part in key.split("/") if part not in {"", ".", ".."}]
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    for ancestor in (folder, *folder.parents):
        if not f"{ancestor}/".startswith(f"{FOLDER}/"):
            break
        for end in ends:
            if f"{ancestor}/{end}" in present:
                return f"{ancestor}/{end}"
    return None


# --- Loading ------------------------------------------------------------------------------------


def load_inventory(
    con: duckdb.DuckDBPyConnection, file: str, landing: Path, load_seq: int
) -> Loaded:
    """Append the sample of the inventory whose manifest is `file`, a path below `landing`.

    Inside the caller's transaction. An inventory that cannot be counted whole is one bad record.
    """
    path = landing / file
    content = path.read_bytes()
    try:
        manifest = read_manifest(content)
        _check_checksum(path.parent / CHECKSUM, content)
        present = _present(landing)
        paths = [_checked(each, file, present) for each in manifest.files]
        rows = _rows(con, manifest, paths)
    except ValueError as error:
        bad = BadRecord(None, str(error), content.decode("utf-8", "backslashreplace"))
        return Loaded(bad=[bad])
    sample = Sample(
        "inventory", manifest.sampled_at, None, manifest.bucket, manifest.configuration, ""
    )
    return Loaded(accepted=insert_sample(con, load_seq, 1, sample, rows))


def read_manifest(content: bytes) -> Manifest:
    """A manifest of version 2016-11-30. Raises ValueError with the reason when it is none."""
    try:
        record = parse_json(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"manifest.json {error}") from error
    if not isinstance(record, dict):
        raise ValueError("manifest.json is not a JSON object")
    version = record.get("version", _VERSION)
    if version != _VERSION:
        raise ValueError(f"version of the manifest is {shown(version)}, not {_VERSION}")
    kind = record.get("fileFormat")
    if kind not in ("CSV", "Parquet"):
        advice = "is not read: have the inventory written as Parquet or CSV"
        raise ValueError(f"fileFormat {shown(kind)} {advice}")
    files = _data_files(record.get("files"))
    schema = record.get("fileSchema")
    if not isinstance(schema, str) or not schema:
        raise ValueError("fileSchema is missing")
    return Manifest(
        sampled_at=_sample_time(record.get("creationTimestamp")),
        bucket=_text(record.get("sourceBucket"), "sourceBucket"),
        configuration=str(PurePosixPath(files[0].key).parent.parent),
        is_csv=kind == "CSV",
        columns=tuple(name.strip() for name in schema.split(",")) if kind == "CSV" else (),
        files=files,
    )


def _data_files(entries: object) -> tuple[DataFile, ...]:
    if not isinstance(entries, list) or not entries:
        # Its key is what tells the configuration, and so what the inventory is an inventory of.
        raise ValueError("files of the manifest names no data file")
    files = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise ValueError("files of the manifest is not a list of objects")
        key = _text(entry.get("key"), "key of a data file")
        if is_absent(entry.get("size")):
            raise ValueError(f"size of data file {shown(key)} is missing")
        try:
            size = read_whole(entry["size"], 0, MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"size of data file {shown(key)} {error}") from error
        md5 = _text(entry.get("MD5checksum"), f"MD5checksum of data file {shown(key)}")
        if not _MD5.fullmatch(md5):
            raise ValueError(f"MD5checksum of data file {shown(key)} is not one: {shown(md5)}")
        files.append(DataFile(key, size, md5.lower()))
    if len({each.key for each in files}) != len(files):
        raise ValueError("files of the manifest names a data file twice")
    return tuple(files)


def _sample_time(value: object) -> datetime:
    if is_absent(value):
        raise ValueError("creationTimestamp is missing")
    try:
        milliseconds = read_whole(value, 0, _LAST_MS)
    except ValueError as error:
        raise ValueError(f"creationTimestamp {error} (milliseconds since 1970)") from error
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def _text(value: object, name: str) -> str:
    try:
        return read_text(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _check_checksum(path: Path, content: bytes) -> None:
    if not path.is_file():
        raise ValueError(f"{CHECKSUM} is missing: the inventory is not complete")
    told = path.read_text(encoding="utf-8", errors="replace").strip().lower()
    if told != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise ValueError(f"{CHECKSUM} is not the MD5 of {MANIFEST}")


def _present(landing: Path) -> dict[str, Path]:
    """The files of inventories that are there, by their path in the landing zone."""
    found = {}
    root = landing.resolve()
    for path in (landing / FOLDER).rglob("*"):
        is_ours = not path.is_symlink() or path.resolve().is_relative_to(root)
        if is_ours and path.is_file() and not path.name.startswith("."):
            found[path.relative_to(landing).as_posix()] = path
    return found


def _checked(data: DataFile, file: str, present: Mapping[str, Path]) -> Path:
    """The data file, its size and MD5 as the manifest says."""
    place = _place(PurePosixPath(file).parent, data.key, present)
    if place is None:
        raise ValueError(f"data file {shown(data.key)} is missing")
    path = present[place]
    size = path.stat().st_size
    if size != data.size:
        raise ValueError(
            f"data file {shown(data.key)} has {size} bytes, not the {data.size} of the manifest"
        )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "md5").hexdigest()
    if digest != data.md5:
        raise ValueError(f"data file {shown(data.key)} has another MD5 than the manifest says")
    return path


def _rows(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, paths: Sequence[Path]
) -> list[dict[str, Any]]:
    """Bytes by project of all objects and old versions; delete markers hold none."""
    tally = Tally()
    with con.cursor() as reader:
        for data, path in zip(manifest.files, paths, strict=True):
            name = shown(data.key)
            try:
                found = reader.execute(_count_sql(reader, manifest, path)).fetchall()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise ValueError(f"data file {name} is not readable: {reason}") from error
            for prefix, objects, unclear, size in found:
                if unclear:
                    raise ValueError(f"data file {name} has {unclear} objects without a clear size")
                tally.add(_project(prefix, manifest.is_csv), objects, int(size or 0))
    return tally.rows("")


def _project(prefix: str | None, is_encoded: bool) -> tuple[str, str] | None:
    if prefix is None:
        return None
    plain = unquote_plus(prefix) if is_encoded else prefix
    return plain, plain.split("/")[-2]


def _count_sql(reader: duckdb.DuckDBPyConnection, manifest: Manifest, path: Path) -> str:
    """SELECT of project prefix (null: none), objects, objects without a size, bytes."""
    # The readers take a path for a pattern.
    name = literal(glob.escape(str(path)))
    if manifest.is_csv:
        columns = {name: f"c{number}" for number, name in enumerate(manifest.columns)}
        types = ", ".join(f"{column}: 'varchar'" for column in columns.values())
        compression = "gzip" if _is_gzip(path) else "none"
        relation = (
            f"read_csv({name}, columns = {{{types}}}, header = false,"
            f" auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = '',"
            f" compression = '{compression}')"
        )
        key, size, marker = (columns.get(name) for name in ("Key", "Size", "IsDeleteMarker"))
        key = f"regexp_replace({key}, '%2[fF]', '/', 'g')" if key else None
    else:
        relation = f"read_parquet({name})"
        names = {row[0] for row in reader.execute(f"describe from {relation}").fetchall()}
        key, size, marker = (
            column if column in names else None for column in ("key", "size", "is_delete_marker")
        )
        key = "cast(key as varchar)" if key else None
    if key is None or size is None:
        raise ValueError("the inventory has no Key or no Size: add the field to its configuration")
    is_marker = f"coalesce(lower(cast({marker} as varchar)), '') = 'true'" if marker else "false"
    return f"""
        select
            nullif(regexp_extract(object_key, {literal(PROJECT_PATTERN)}), '') as prefix,
            count(*),
            count(*) filter (where object_key is null or size is null or size < 0),
            sum(cast(size as hugeint))
        from (
            select {key} as object_key, try_cast({size} as bigint) as size
            from {relation} where not {is_marker}
        )
        group by 1
    """


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"
