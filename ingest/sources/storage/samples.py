"""A sample of a bucket, reduced to rows: one a project prefix, and one for all other objects.

Keys are `[<namespace>/]mounts/<project_id>/<mount_id>/<path>`; a prefix of a project ends after its
id. The row for other objects is there in every sample, also with none: it says that the sample was
taken, so that a project without a row held nothing (DECISIONS D35).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from ingest.records import TIMESTAMP, insert_rows
from ingest.values import BIGINT_MAX, canonical_json, latest

TABLE = "raw.storage_samples"
COLUMNS: Mapping[str, pa.DataType] = {
    "kind": pa.string(),
    "sampled_at": TIMESTAMP,
    "fetched_at": TIMESTAMP,
    "bucket": pa.string(),
    "scope": pa.string(),
    "prefix": pa.string(),
    "sample_sha256": pa.string(),
    "resource_prefix": pa.string(),
    "project_id": pa.string(),
    "objects": pa.int64(),
    "bytes": pa.int64(),
}

# Python and RE2 alike. A bucket's own `mounts/` beats a namespace of that name.
PROJECT_PATTERN = r"^(?:mounts|[^/]+/mounts)/([^/]+)/"
_PROJECT = re.compile(PROJECT_PATTERN)


@dataclass(frozen=True)
class Sample:
    """What a sample says of itself.

    `scope` names what a later sample must cover too for an absent project to mean zero: the prefix
    of a listing, the configuration of an inventory.
    """

    kind: str
    sampled_at: datetime
    fetched_at: datetime | None
    bucket: str
    scope: str
    prefix: str


class Tally:
    """Objects and bytes by project prefix; None stands for objects of no project."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str] | None, list[int]] = {None: [0, 0]}

    def add(self, project: tuple[str, str] | None, objects: int, size: int) -> None:
        """Count objects of a project (its prefix and id) and their bytes together."""
        counts = self._counts.setdefault(project, [0, 0])
        counts[0] += objects
        counts[1] += size

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        """One row a project, by prefix; first that of all other objects, under the sample's own.

        Raises ValueError when a sum is no size that storage can have.
        """
        rows = []
        for project, (objects, size) in sorted(
            self._counts.items(), key=lambda item: item[0] or ("", "")
        ):
            if size > BIGINT_MAX:
                raise ValueError(f"sizes add up to more than {BIGINT_MAX} bytes")
            rows.append(
                {
                    "resource_prefix": project[0] if project else prefix,
                    "project_id": project[1] if project else None,
                    "objects": objects,
                    "bytes": size,
                }
            )
        return rows


def project_of(key: str) -> tuple[str, str] | None:
    """The prefix and the id of the project that a key or prefix lies in, None when in none."""
    match = _PROJECT.match(key)
    return (match[0], match[1]) if match else None


def check_prefix(prefix: str) -> None:
    """Raise ValueError when a listing of this prefix sees only a part of some project."""
    project = project_of(prefix)
    if project and project[0] != prefix:
        raise ValueError(f"prefix {prefix!r} is only a part of {project[0]!r}: list all of it")


def insert_sample(
    con: duckdb.DuckDBPyConnection,
    load_seq: int,
    first_number: int,
    sample: Sample,
    rows: Sequence[dict[str, Any]],
) -> int:
    """Append the rows of one sample, numbered from `first_number`; returns how many."""
    said = _plain(vars(sample))
    digest = hashlib.sha256(canonical_json(said | {"rows": rows}).encode()).hexdigest()
    common = vars(sample) | {
        "load_seq": load_seq,
        "known_at": latest([sample.sampled_at, sample.fetched_at]),
        "sample_sha256": digest,
    }
    numbered = enumerate(rows, first_number)
    insert_rows(
        con,
        TABLE,
        COLUMNS,
        [
            common | row | {"record_number": number, "raw": canonical_json(said | row)}
            for number, row in numbered
        ],
    )
    return len(rows)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_texts(values.items()))


def _texts(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for key, value in items:
        yield key, value.isoformat() if isinstance(value, datetime) else value
