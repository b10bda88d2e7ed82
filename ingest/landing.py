"""The landing zone: what is there, what is new, and loading it, once.

A content (source, kind of file, SHA-256) is loaded once, whatever its name; a path with new content
loads again. After each run `ops.loads.is_current` says which contents stand in the landing zone
now, and `file` is the smallest path that holds the content, so that neither depends on the order or
the batches in which files arrived.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingest.errors import UsageError
from ingest.quarantine import BadRecord, Unreadable, write_quarantine
from ingest.reading import content_sha256, family_of
from ingest.records import (
    TIMESTAMP,
    ChangedWhileRead,
    Loaded,
    NewFile,
    RecordSource,
    load_files,
)
from ingest.schema import PRICEBOOK_TABLES
from ingest.settings import Settings
from ingest.sources.accounts import REFERENCE_FILES, load_reference
from ingest.sources.cloudevents import EVENTS as CLOUDEVENTS
from ingest.sources.daytona import USAGE_PERIODS, USAGE_PERIODS_NAIVE_AS_UTC, USAGE_POLLS
from ingest.sources.e2b import EVENTS
from ingest.sources.focus import COSTS
from ingest.sources.gauges import GAUGES
from ingest.sources.generic import INTERVALS, QUANTITIES
from ingest.sources.opencomputer import SCALE_EVENTS
from ingest.sources.storage import joined_inventories, load_inventory, load_listings
from ingest.sources.stripe import OBJECTS, load_stripe
from ingest.sources.vercel import SESSIONS
from ingest.warehouse import fed, registered

RECORD_SOURCES: dict[str, RecordSource] = {
    "e2b": EVENTS,
    "opencomputer/scale_events": SCALE_EVENTS,
    "daytona/usage_periods": USAGE_PERIODS,
    "daytona/usage_polls": USAGE_POLLS,
    "vercel/sessions": SESSIONS,
    "intervals": INTERVALS,
    "quantities": QUANTITIES,
    "gauges": GAUGES,
    "focus": COSTS,
    "cloudevents": CLOUDEVENTS,
}
# Sources of usage whose files are samples of a whole bucket, not rows of records.
LISTINGS, INVENTORY = "storage/listings", "storage/inventory"
USAGE_SOURCES = (*RECORD_SOURCES, LISTINGS, INVENTORY)
PRICEBOOK = "pricebook"
REFERENCE_SOURCES = (*REFERENCE_FILES, PRICEBOOK)

# Small files load together, as many as this: what a transaction costs is theirs together then.
GROUP_FILES = 1000
GROUP_BYTES = 16 * 1024 * 1024

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LandedFile:
    """One file of the landing zone that some source reads."""

    source: str
    file: str
    path: Path
    family: str
    bytes: int
    mtime_ns: int
    sha256: str = ""

    @property
    def content(self) -> tuple[str, str, str]:
        """What decides whether the file is new: source, kind of file, hash."""
        return (self.source, self.family, self.sha256)


@dataclass(frozen=True)
class LoadRecord:
    """One load: a content, the file that holds it, and how its records fared."""

    load_seq: int
    source: str
    file: str
    records: int
    quarantined: int


@dataclass
class LoadSummary:
    """What one run found and did in the landing zone.

    `no_longer_current` and `current_again` are loads of an earlier run whose content went from, or
    came back to, the landing zone. `usage_removed` says that such usage went. `reference_changed`
    says that the content of a reference file or the price book differs from the last run;
    `changed_sources` names every source with any difference.
    """

    loads: list[LoadRecord] = field(default_factory=list)
    no_longer_current: list[LoadRecord] = field(default_factory=list)
    current_again: list[LoadRecord] = field(default_factory=list)
    files: int = 0
    unchanged: int = 0
    ignored: list[str] = field(default_factory=list)
    still_written: list[str] = field(default_factory=list)

    @property
    def load_seqs(self) -> list[int]:
        """The numbers of the new loads."""
        return [load.load_seq for load in self.loads]

    @property
    def records(self) -> int:
        """Records in the new loads, good and bad."""
        return sum(load.records for load in self.loads)

    @property
    def quarantined(self) -> int:
        """Records of the new loads that went to quarantine."""
        return sum(load.quarantined for load in self.loads)

    @property
    def changed_sources(self) -> list[str]:
        """Sources with a content that is new, gone or back."""
        changed = [*self.loads, *self.no_longer_current, *self.current_again]
        return sorted({load.source for load in changed})

    @property
    def reference_changed(self) -> bool:
        """Whether a reference file or the price book differs from the last run."""
        return any(source in REFERENCE_SOURCES for source in self.changed_sources)

    @property
    def usage_removed(self) -> bool:
        """Whether usage that was loaded before no longer stands in the landing zone."""
        return any(load.source in USAGE_SOURCES for load in self.no_longer_current)

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        return {
            "files": self.files,
            "unchanged": self.unchanged,
            "records": self.records,
            "quarantined": self.quarantined,
            "loads": [vars(load) for load in self.loads],
            "no_longer_current": [vars(load) for load in self.no_longer_current],
            "current_again": [vars(load) for load in self.current_again],
            "reference_changed": self.reference_changed,
            "usage_removed": self.usage_removed,
            "ignored": self.ignored,
            "still_written": self.still_written,
        }


def load_landing(
    con: duckdb.DuckDBPyConnection, settings: Settings, progress: Progress | None = None
) -> LoadSummary:
    """Load whatever is new in the landing zone; running it again changes nothing.

    One transaction a file, or a group of small ones: a crash leaves whole files or nothing of
    them. `progress` is told one line a loaded file, and how far the reading of a long one is.
    Raises UsageError when the landing zone is missing, or when reference files
    contradict themselves so that nothing could be billed; what was loaded before stays.
    """
    summary = LoadSummary()
    found = discover(settings.landing, summary)
    hashed = _hashed(con, found, summary)
    landed_files, unnamed = joined_inventories(hashed)
    summary.still_written += unnamed
    summary.files = len(landed_files)
    before = _known_loads(con)
    by_content: dict[tuple[str, str, str], list[LandedFile]] = {}
    for landed in landed_files:
        by_content.setdefault(landed.content, []).append(landed)
    new = sorted(
        (
            min(files, key=lambda landed: landed.file)
            for key, files in by_content.items()
            if key not in before
        ),
        key=lambda landed: (landed.source, landed.file),
    )
    summary.unchanged = len(landed_files) - len(new)
    next_seq = 1 + max((known.load_seq for known in before.values()), default=0)
    # Reference files first: what stops everything should stop it before the long part.
    new.sort(key=lambda landed: landed.source not in REFERENCE_SOURCES)
    book_files = [landed for landed in new if landed.source == PRICEBOOK]
    book_differs = bool(book_files) or _gone(before, by_content, PRICEBOOK)
    if book_differs:
        current_book = [landed for landed in hashed if landed.source == PRICEBOOK]
        loads = _load_pricebook(con, settings, current_book, book_files, next_seq)
        next_seq += len(loads)
        summary.loads += loads
    for group in _groups(landed for landed in new if landed.source != PRICEBOOK):
        loads = _load_group(con, settings, group, next_seq, summary, progress)
        next_seq += len(loads)
        summary.loads += loads
        if progress is not None:
            for load in loads:
                progress(_progress_line(load))
    _settle(con, before, by_content, hashed, summary)
    return summary


def _progress_line(load: LoadRecord) -> str:
    bad = f", {load.quarantined} quarantined" if load.quarantined else ""
    return f"{load.file}: {load.records} records{bad}"


# --- Discovery ------------------------------------------------------------------------------


def discover(landing: Path, summary: LoadSummary) -> list[LandedFile]:
    """Files of the landing zone that some source reads, in order of their paths.

    Notes in the summary what nothing reads. Names that begin with a dot or end in .tmp or .part
    are left alone, and so are links that lead out of the landing zone or nowhere, folders that
    may not be read, and what is no plain file (reading a pipe would wait for its writer).
    Raises UsageError when the landing zone is not a folder or may not be read.
    """
    if not landing.is_dir():
        raise UsageError(f"landing zone {landing} is not a folder; create it or give --landing")
    root = landing.resolve()
    found: list[LandedFile] = []

    def tell(error: OSError) -> None:
        folder = Path(error.filename)
        if folder == landing:
            raise UsageError(f"landing zone {landing} cannot be read: {error.strerror}") from error
        summary.ignored.append(f"{_shown(folder, landing)}/ (cannot be read: {error.strerror})")

    for folder, folders, names in os.walk(landing, onerror=tell):
        here = Path(folder)
        for name in list(folders):
            if name.startswith("."):
                folders.remove(name)
            elif (here / name).is_symlink():
                # Not walked into: inside the zone it would be seen twice, outside it is not ours.
                summary.ignored.append(f"{_shown(here / name, landing)}/ (link)")
                folders.remove(name)
        for name in names:
            if name.startswith(".") or name.endswith((".tmp", ".part")):
                continue
            path = here / name
            file = path.relative_to(landing).as_posix()
            odd = _oddity(path, file, root)
            if odd is not None:
                summary.ignored.append(f"{_shown(path, landing)} ({odd})")
                continue
            source, family = _source_of(file), _family_of(file)
            if source is None or family is None:
                summary.ignored.append(file)
                continue
            landed = _stat(source, file, path, family)
            if landed is None:
                summary.still_written.append(file)
            else:
                found.append(landed)
    summary.ignored.sort()
    return sorted(found, key=lambda landed: landed.file)


def _shown(path: Path, landing: Path) -> str:
    """A path below the landing zone as text, whatever bytes it has."""
    return os.fsencode(path.relative_to(landing)).decode("utf-8", "backslashreplace")


def _oddity(path: Path, file: str, root: Path) -> str | None:
    """Why a file is left alone whatever its name says; None when it is a file like any other."""
    try:
        file.encode()
    except UnicodeEncodeError:
        return "name is not UTF-8"
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return "link out of the landing zone"
        is_plain = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        # Gone already, unless it is a link: that is still there.
        return "link that leads nowhere" if path.is_symlink() else None
    except (OSError, RuntimeError):
        return "link that leads nowhere"
    return None if is_plain else "not a plain file"


def _stat(source: str, file: str, path: Path, family: str) -> LandedFile | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return LandedFile(source, file, path, family, status.st_size, status.st_mtime_ns)


def _source_of(file: str) -> str | None:
    """The source that reads a path, None when none does."""
    parts = file.split("/")
    if len(parts) == 1:
        stem = file.removesuffix(".csv")
        return stem if file.endswith(".csv") and stem in REFERENCE_FILES else None
    if parts[0] == PRICEBOOK:
        return PRICEBOOK
    if parts[0] == "stripe":
        known = len(parts) > 2 and parts[1] in OBJECTS and family_of(file) == "json"
        return f"stripe/{parts[1]}" if known else None
    if parts[0] in RECORD_SOURCES:
        return parts[0]
    two = "/".join(parts[:2])
    if two == LISTINGS and family_of(file) != "json":
        return None
    return two if len(parts) > 2 and two in USAGE_SOURCES else None


def _family_of(file: str) -> str | None:
    if file.startswith(f"{INVENTORY}/"):
        # A manifest and the files that it names: one content, whatever kinds they are of.
        return "inventory"
    if file.startswith(f"{PRICEBOOK}/"):
        return "yaml" if file.endswith((".yaml", ".yml")) else None
    return family_of(file)


def _hashed(
    con: duckdb.DuckDBPyConnection, found: Sequence[LandedFile], summary: LoadSummary
) -> list[LandedFile]:
    """The files with their hashes; a file seen with this size and time is not read again."""
    seen = {
        (file, size, mtime): sha
        for file, size, mtime, sha in con.execute(
            "select file, bytes, mtime_ns, content_sha256 from ops.files_seen"
        ).fetchall()
    }
    hashed = []
    for landed in found:
        sha = seen.get((landed.file, landed.bytes, landed.mtime_ns))
        if sha is None:
            sha = _stable_hash(landed)
            if sha is None:
                summary.still_written.append(landed.file)
                continue
        hashed.append(_with_hash(landed, sha))
    return hashed


def _with_hash(landed: LandedFile, sha: str) -> LandedFile:
    return LandedFile(
        landed.source, landed.file, landed.path, landed.family, landed.bytes, landed.mtime_ns, sha
    )


def _stable_hash(landed: LandedFile) -> str | None:
    """The hash, None when the file changed or went while it was read: a later run takes it."""
    try:
        sha = content_sha256(landed.path)
        status = landed.path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"cannot read {landed.path}: {error.strerror}; make it readable"
        ) from error
    same = (status.st_size, status.st_mtime_ns) == (landed.bytes, landed.mtime_ns)
    return sha if same else None


# --- Loading --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _KnownLoad:
    load_seq: int
    file: str
    records: int
    quarantined: int
    is_current: bool


def _known_loads(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], _KnownLoad]:
    rows = con.execute(
        "select source, format, content_sha256, load_seq, file, records, quarantined, is_current"
        " from ops.loads"
    ).fetchall()
    return {(row[0], row[1], row[2]): _KnownLoad(*row[3:]) for row in rows}


def _gone(
    before: Mapping[tuple[str, str, str], _KnownLoad],
    now: Mapping[tuple[str, str, str], object],
    source: str,
) -> bool:
    """Whether the current contents of a source differ between the last run and now."""
    was = {key for key, known in before.items() if known.is_current and key[0] == source}
    return was != {key for key in now if key[0] == source}


def _groups(new: Iterable[LandedFile]) -> Iterator[list[LandedFile]]:
    """The files in their order: small ones of one source and kind together, others alone."""
    group: list[LandedFile] = []
    for landed in new:
        fits = (
            group
            and landed.source in RECORD_SOURCES
            and (landed.source, landed.family) == (group[0].source, group[0].family)
            and len(group) < GROUP_FILES
            and sum(each.bytes for each in group) + landed.bytes <= GROUP_BYTES
        )
        if group and not fits:
            yield group
            group = []
        group.append(landed)
    if group:
        yield group


def _load_group(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    group: Sequence[LandedFile],
    first_seq: int,
    summary: LoadSummary,
    progress: Progress | None,
) -> list[LoadRecord]:
    """Load some files in one transaction; those that change meanwhile are left for a later run."""
    while group:
        numbered = dict(enumerate(group, first_seq))
        try:
            with _transaction(con):
                loads = _load_content(con, settings, numbered, progress)
                changed = [landed for landed in group if not _is_as_found(landed)]
                if changed:
                    raise ChangedWhileRead
                return loads
        except (ChangedWhileRead, OSError):
            changed = [landed for landed in group if not _is_as_found(landed)]
            if not changed:
                raise
            summary.still_written += [landed.file for landed in changed]
            group = [landed for landed in group if landed not in changed]
    return []


def _is_as_found(landed: LandedFile) -> bool:
    try:
        status = landed.path.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) == (landed.bytes, landed.mtime_ns)


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin transaction")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def _load_content(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    numbered: Mapping[int, LandedFile],
    progress: Progress | None,
) -> list[LoadRecord]:
    """Load files of one source and kind; one that cannot be read is one quarantined record."""
    (source, family), *_ = {(landed.source, landed.family) for landed in numbered.values()}
    came: Mapping[int, Loaded | Unreadable]
    if source in RECORD_SOURCES:
        files = [NewFile(landed.path, landed.file, seq) for seq, landed in numbered.items()]
        records = RECORD_SOURCES[source]
        if records is USAGE_PERIODS and settings.daytona_naive_times_are_utc:
            records = USAGE_PERIODS_NAIVE_AS_UTC
        came = load_files(con, records, family, files, settings.e2b_webhook_secret, progress)
    else:
        came = {seq: _load_other(con, settings, landed, seq) for seq, landed in numbered.items()}
    return _note_loads(con, settings, numbered, came)


def _load_other(
    con: duckdb.DuckDBPyConnection, settings: Settings, landed: LandedFile, load_seq: int
) -> Loaded | Unreadable:
    """Load samples of a bucket, a reference file or Stripe objects."""
    try:
        if landed.source == LISTINGS:
            return load_listings(con, landed.path, load_seq)
        if landed.source == INVENTORY:
            return load_inventory(con, landed.file, settings.landing, load_seq)
        if landed.source in REFERENCE_FILES:
            return load_reference(con, REFERENCE_FILES[landed.source], landed.path, load_seq)
        return load_stripe(con, landed.source.removeprefix("stripe/"), landed.path, load_seq)
    except Unreadable as unreadable:
        # What stood before the place where it breaks may be in the table already.
        for table in ("raw.stripe_objects", "raw.storage_samples"):
            con.execute(f"delete from {table} where load_seq = ?", [load_seq])
        return unreadable


_LOADS = pa.schema(
    [
        ("load_seq", pa.int32()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("content_sha256", pa.string()),
        ("bytes", pa.int64()),
        ("records", pa.int32()),
        ("quarantined", pa.int32()),
        ("is_current", pa.bool_()),
        ("loaded_at", TIMESTAMP),
        ("format", pa.string()),
    ]
)


def _note_loads(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    numbered: Mapping[int, LandedFile],
    came: Mapping[int, Loaded | Unreadable],
) -> list[LoadRecord]:
    loads: list[LoadRecord] = []
    rows: list[dict[str, Any]] = []
    rejected: list[tuple[int, str, str, BadRecord]] = []
    for load_seq, landed in numbered.items():
        what = came[load_seq]
        if isinstance(what, Unreadable):
            what = Loaded(bad=[BadRecord(None, str(what), None)])
        rejected += [(load_seq, landed.source, landed.file, record) for record in what.bad]
        load = LoadRecord(load_seq, landed.source, landed.file, what.records, len(what.bad))
        loads.append(load)
        rows.append(
            vars(load)
            | {
                "content_sha256": landed.sha256,
                "bytes": landed.bytes,
                # Settled for all files together, at the end of the run.
                "is_current": False,
                "loaded_at": settings.now,
                "format": landed.family,
            }
        )
    write_quarantine(con, rejected)
    with fed(con, "new_loads", pa.Table.from_pylist(rows, schema=_LOADS)):
        con.execute("insert into ops.loads by name select * from new_loads")
    return loads


def _load_pricebook(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    current: Sequence[LandedFile],
    new: Sequence[LandedFile],
    first_seq: int,
) -> list[LoadRecord]:
    """Validate the whole price book, then append the files that are new, in one transaction."""
    from ingest.sources.pricebook import insert_pricebook, load_pricebook

    book = load_pricebook([landed.path for landed in current], settings.landing)
    numbered = dict(enumerate(new, first_seq))
    with _transaction(con):
        if new:
            insert_pricebook(con, {landed.file: seq for seq, landed in numbered.items()}, book)
        came = {seq: Loaded(accepted=_pricebook_rows(con, seq)) for seq in numbered}
        return _note_loads(con, settings, numbered, came)


def _pricebook_rows(con: duckdb.DuckDBPyConnection, load_seq: int) -> int:
    return sum(
        con.execute(f"select count(*) from {table} where load_seq = ?", [load_seq]).fetchall()[0][0]
        for table in PRICEBOOK_TABLES
    )


def _settle(
    con: duckdb.DuckDBPyConnection,
    before: Mapping[tuple[str, str, str], _KnownLoad],
    by_content: Mapping[tuple[str, str, str], Sequence[LandedFile]],
    hashed: Sequence[LandedFile],
    summary: LoadSummary,
) -> None:
    """Say for every load whether it is current and which file holds it; remember what was seen."""
    _forget_rejudged(con, by_content)
    new_seqs = {load.load_seq for load in summary.loads}
    changed: list[tuple[int, str, bool]] = []
    for key, known in _known_loads(con).items():
        files = [landed.file for landed in by_content.get(key, ())]
        file, is_current = (min(files), True) if files else (known.file, False)
        if (file, is_current) != (known.file, known.is_current):
            changed.append((known.load_seq, file, is_current))
        if known.load_seq in new_seqs or is_current == before[key].is_current:
            continue
        load = LoadRecord(known.load_seq, key[0], file, known.records, known.quarantined)
        (summary.current_again if is_current else summary.no_longer_current).append(load)
    _write_settled(con, changed, hashed)


def _forget_rejudged(
    con: duckdb.DuckDBPyConnection,
    by_content: Mapping[tuple[str, str, str], Sequence[LandedFile]],
) -> None:
    """Drop the rejection of an inventory whose files have come or changed since.

    It is judged anew under the same path. Its first rejection would tell in which order its files
    arrived, and counted nothing.
    """
    now = {
        landed.file: landed.sha256
        for files in by_content.values()
        for landed in files
        if landed.source == INVENTORY
    }
    rejected = con.execute(
        "select load_seq, file, content_sha256 from ops.loads"
        " where source = ? and records = quarantined",
        [INVENTORY],
    ).fetchall()
    for load_seq, file, sha256 in rejected:
        if now.get(file, sha256) != sha256:
            con.execute("begin transaction")
            con.execute("delete from ops.quarantine where load_seq = ?", [load_seq])
            con.execute("delete from ops.loads where load_seq = ?", [load_seq])
            con.execute("commit")


def _write_settled(
    con: duckdb.DuckDBPyConnection,
    changed: Sequence[tuple[int, str, bool]],
    hashed: Sequence[LandedFile],
) -> None:
    settled = pa.table(
        {
            "load_seq": pa.array([row[0] for row in changed], pa.int32()),
            "file": pa.array([row[1] for row in changed], pa.string()),
            "is_current": pa.array([row[2] for row in changed], pa.bool_()),
        }
    )
    seen = pa.table(
        {
            "file": pa.array([landed.file for landed in hashed], pa.string()),
            "bytes": pa.array([landed.bytes for landed in hashed], pa.int64()),
            "mtime_ns": pa.array([landed.mtime_ns for landed in hashed], pa.int64()),
            "content_sha256": pa.array([landed.sha256 for landed in hashed], pa.string()),
        }
    )
    with (
        registered(con, "settled", settled),
        registered(con, "seen", seen),
        _transaction(con),
    ):
        if changed:
            con.execute(
                "update ops.loads set file = settled.file, is_current = settled.is_current"
                " from settled where ops.loads.load_seq = settled.load_seq"
            )
            con.execute(
                "update ops.quarantine set file = settled.file from settled"
                " where ops.quarantine.load_seq = settled.load_seq"
                " and ops.quarantine.file <> settled.file"
            )
        con.execute("delete from ops.files_seen where file not in (select file from seen)")
        con.execute(
            "delete from ops.files_seen where not exists (select 1 from seen"
            " where seen.file = files_seen.file and seen.bytes = files_seen.bytes"
            " and seen.mtime_ns = files_seen.mtime_ns"
            " and seen.content_sha256 = files_seen.content_sha256)"
        )
        con.execute(
            "insert into ops.files_seen select * from seen"
            " where file not in (select file from ops.files_seen)"
        )
