"""Files as bytes: JSON one a line, CSV, gzip without a clock in it; and how many records each
holds.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


def compact(value: object) -> str:
    """JSON as Go and JavaScript write it: no spaces, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Landing:
    """The landing zone in memory, by relative path; `records` counts good and bad alike."""

    contents: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, int | None] = field(default_factory=dict)
    quarantined: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, path: str, text: str, records: int | None) -> None:
        """Keep a text file, compressed if its name says so; `records` is None if it has none."""
        data = text.encode()
        self.contents[path] = gzip.compress(data, 9, mtime=0) if path.endswith(".gz") else data
        self.records[path] = records

    def add_lines(self, path: str, lines: Sequence[str]) -> None:
        self.add(path, "".join(line + "\n" for line in lines), len(lines))

    def add_csv(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        records = list(rows)
        writer.writerows(records)
        self.add(path, out.getvalue(), len(records))

    def reject(self, path: str, record_number: int, reason: str) -> None:
        """Note a record that no reader can accept."""
        self.quarantined.setdefault(path, []).append((record_number, reason))

    def write(self, root: Path) -> None:
        """Write every file; remove what an earlier run left."""
        root.mkdir(parents=True, exist_ok=True)
        for old in sorted(root.rglob("*"), reverse=True):
            if old.is_dir():
                if not any(old.iterdir()):
                    old.rmdir()
            elif old.relative_to(root).as_posix() not in self.contents:
                old.unlink()
        for path in sorted(self.contents):
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (
                target.exists() and same_content(path, target.read_bytes(), self.contents[path])
            ):
                target.write_bytes(self.contents[path])


def same_content(path: str, one: bytes, other: bytes) -> bool:
    """True when two files say the same: another zlib may compress the same text to other bytes."""
    if path.endswith(".gz"):
        return gzip.decompress(one) == gzip.decompress(other)
    return one == other
