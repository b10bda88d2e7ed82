"""The company's own GPU fleet as provider-neutral intervals, and amounts that arrive already
measured.
"""

from __future__ import annotations

from data.generator.clock import instant, rfc3339
from data.generator.company import AS_OF, UNATTRIBUTED, Company
from data.generator.landing import Landing
from data.generator.oddities import Oddity
from data.generator.seeded import Seeded
from data.generator.timeline import FleetRow, Timeline

INTERVAL_COLUMNS = [
    "record_id",
    "provider",
    "account_ref",
    "resource_id",
    "started_at",
    "ended_at",
    "vcpu",
    "memory_mib",
    "disk_mib",
    "gpu",
    "region",
]
NO_ZONE_FILE = "intervals/foundry-2026-08.csv"

# Exports are made on the first of the month at 06:00 UTC and when the sample was taken.
_EXPORTS = [
    ("2026-07", instant("2026-07-01T00:00:00Z"), instant("2026-08-01T06:00:00Z")),
    ("2026-08", instant("2026-08-01T06:00:00Z"), instant("2026-09-01T06:00:00Z")),
    ("2026-09", instant("2026-09-01T06:00:00Z"), AS_OF),
]


def write_generic(
    seed: int, company: Company, timeline: Timeline, landing: Landing
) -> list[Oddity]:
    """Write `intervals/` and `quantities/`, one file an export."""
    chance = Seeded(seed, "generic")
    oddities: list[Oddity] = []
    for month, start, taken in _EXPORTS:
        path = f"intervals/foundry-{month}.csv"
        rows = [
            _interval(lease, taken)
            for lease in sorted(timeline.fleet, key=lambda r: (r.start, r.record_id))
            # An allocation that was open in one export is in the next again, with its end.
            if lease.start < taken
            and (lease.start >= start or lease.end is None or lease.end > start)
        ]
        if path == NO_ZONE_FILE:
            bad = [
                f"fnd-{chance.hex(10)}",
                "foundry",
                company.by_slug("boldtype").account_id,
                "gpu-07",
                "2026-08-14 10:00:00",
                "2026-08-14 11:00:00",
                "8",
                "65536",
                "204800",
                "1",
                "eu-central",
            ]
            rows.insert(12, bad)
            landing.reject(path, 13, "timestamp_without_zone")
            oddities.append(
                Oddity("timestamp_without_zone", UNATTRIBUTED, bad[0], f"{path} record 13")
            )
        landing.add_csv(path, INTERVAL_COLUMNS, rows)
    oddities += _write_measured(timeline, landing)
    return oddities


def _interval(lease: FleetRow, taken: int) -> list[str]:
    ended = rfc3339(lease.end) if lease.end is not None and lease.end <= taken else ""
    return [
        lease.record_id,
        "foundry",
        lease.account_ref,
        lease.resource_id,
        rfc3339(lease.start),
        ended,
        str(lease.vcpu),
        str(lease.memory_mib),
        str(lease.disk_mib),
        str(lease.gpu),
        lease.region,
    ]


def _write_measured(timeline: Timeline, landing: Landing) -> list[Oddity]:
    for meter_id, name in (("api_requests", "api_requests"), ("artifact_gib_months", "artifacts")):
        own = [m for m in timeline.measured if m.meter_id == meter_id]
        own.sort(key=lambda m: (m.end, m.record_id))
        header = [
            "record_id",
            "account_ref",
            "meter_id",
            "quantity",
            "started_at",
            "ended_at",
            own[0].dimension[0],
        ]
        for month, start, taken in _EXPORTS:
            rows = [
                [
                    m.record_id,
                    m.account_ref,
                    meter_id,
                    format(m.quantity, "f"),
                    rfc3339(m.start),
                    rfc3339(m.end),
                    m.dimension[1],
                ]
                for m in own
                if start < m.end <= taken
            ]
            landing.add_csv(f"quantities/{name}-{month}.csv", header, rows)
    return []
