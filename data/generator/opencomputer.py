"""OpenComputer's scale-event table as it is dumped every Monday: a row open in one dump is closed
in the next.

Dumps overlap by a day, so that closed rows also come twice.
"""

from __future__ import annotations

from typing import Any

from data.generator.clock import DAY, instant, rfc3339, rfc3339_at_offset
from data.generator.company import AS_OF, UNATTRIBUTED, WINDOW_START, Company
from data.generator.landing import Landing, compact
from data.generator.oddities import Oddity
from data.generator.seeded import Seeded
from data.generator.timeline import OC_TIER_VCPU, ScaleRow, Timeline

FIRST_DUMP = instant("2026-07-27T06:00:00Z")
BROKEN_DUMP = "opencomputer/scale_events/2026-08-10.ndjson"


def write_opencomputer(
    seed: int, company: Company, timeline: Timeline, landing: Landing
) -> list[Oddity]:
    """Write the weekly dumps and the last one, taken when the sample was."""
    chance = Seeded(seed, "opencomputer")
    rows = sorted(timeline.opencomputer, key=lambda r: (r.start, r.row_id))
    shapes = {row.row_id: _shape(row, chance) for row in rows}
    oddities: list[Oddity] = []
    dumps = [*range(FIRST_DUMP, AS_OF, 7 * DAY), AS_OF]
    previous = WINDOW_START
    for taken in dumps:
        lines = [
            compact(_row(row, shapes[row.row_id], taken))
            for row in rows
            if row.start < taken
            and (row.start >= previous - DAY or row.end is None or row.end > previous)
        ]
        # The two latest dumps have not been compressed yet; neither has the one with the bad rows.
        plain = taken > AS_OF - 3 * DAY or rfc3339(taken)[:10] in BROKEN_DUMP
        path = f"opencomputer/scale_events/{rfc3339(taken)[:10]}.ndjson" + ("" if plain else ".gz")
        if path == BROKEN_DUMP:
            oddities += _add_bad_rows(path, lines, company, chance, landing)
        landing.add_lines(path, lines)
        previous = taken
    straddling = next(
        r for r in rows if r.end is not None and r.start < FIRST_DUMP < r.end and not r.name
    )
    owner = next(a for a in company.accounts if a.org_id == straddling.org_id)
    oddities.append(Oddity("open_row_closed_later", owner.account_id, straddling.row_id))
    return oddities


def _shape(row: ScaleRow, chance: Seeded) -> dict[str, Any]:
    """What stays between dumps. Two writers disagree about cpuPercent; the size decides."""
    tier = OC_TIER_VCPU.get(row.memory_mib, 1)
    percent = row.cpu_percent or chance.pick([tier * 100, tier * 100, row.memory_mib * 100 // 1024])
    shape = {
        "id": row.row_id,
        "sandboxId": row.sandbox_id,
        "orgId": row.org_id,
        "memoryMB": row.memory_mib,
        "cpuPercent": percent,
    }
    # Old writers leave the default disk out.
    if row.disk_mib != 20480 or not chance.permille(40):
        shape["diskMB"] = row.disk_mib
    return shape


def _row(row: ScaleRow, shape: dict[str, Any], taken: int) -> dict[str, Any]:
    write = (lambda at: rfc3339_at_offset(at, 2)) if row.name == "offset_timestamp" else rfc3339
    found = {**shape, "startedAt": write(row.start)}
    if row.end is not None and row.end <= taken:
        found["endedAt"] = write(row.end)
    return found


def _add_bad_rows(
    path: str, lines: list[str], company: Company, chance: Seeded, landing: Landing
) -> list[Oddity]:
    """Two rows that no reader can accept; their usage is not in the truth."""
    org = company.by_slug("fjord").org_id
    base = {"id": chance.uuid(), "sandboxId": "sb-" + chance.hex(8), "orgId": org}
    size = {"memoryMB": 4096, "cpuPercent": 100, "diskMB": 20480}
    wrong_type = {
        **base,
        **size,
        "memoryMB": "4GB",
        "startedAt": "2026-08-06T09:00:00Z",
        "endedAt": "2026-08-06T09:30:00Z",
    }
    no_zone = {
        **base,
        **size,
        "id": chance.uuid(),
        "startedAt": "2026-08-06T10:00:00",
        "endedAt": "2026-08-06T10:30:00",
    }
    found: list[Oddity] = []
    for position, kind, bad in (
        (9, "wrong_typed_memory", wrong_type),
        (21, "timestamp_without_zone", no_zone),
    ):
        lines.insert(position, compact(bad))
        landing.reject(path, position + 1, kind)
        found.append(Oddity(kind, UNATTRIBUTED, str(bad["id"]), f"{path} line {position + 1}"))
    return found
