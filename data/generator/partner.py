"""The partner's month: a little of every source that the paying customers do not use.

Daytona's usage periods and the answers of its usage API, which agree; agents' turns as CloudEvents,
one of them told twice and one voided; what the agents store, as gauges; what Daytona charges for it
all, as FOCUS; and exchange rates. Times are whole seconds, so every total is a whole number.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from data.generator.clock import DAY, HOUR, MINUTE, SECOND, instant, rfc3339
from data.generator.company import AS_OF, WINDOW_START, Account, Company
from data.generator.landing import Landing, compact
from data.generator.seeded import Seeded
from data.generator.timeline import DaytonaPeriod, Measured, Timeline

TURN = "com.cobaltrun.agent_turn"
AUGUST = instant("2026-08-01T00:00:00Z")
SEPTEMBER = instant("2026-09-01T00:00:00Z")
# When the period tables were dumped, and the usage API was asked about July and August.
DUMPS = (instant("2026-08-15T06:00:00Z"), AS_OF)
ASKED = (instant("2026-08-03T06:00:00Z"), instant("2026-09-02T11:00:00Z"))

# fmt: off
PERIOD_COLUMNS = [
    "id", "sandboxId", "organizationId", "startAt", "endAt", "cpu", "gpu", "gpu_type", "mem",
    "disk", "region", "sandboxClass", "regionType",
]
COST_COLUMNS = [
    "ProviderName", "BillingAccountId", "SubAccountId", "BillingPeriodStart", "BillingPeriodEnd",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ServiceName", "SkuId",
    "ConsumedQuantity", "ConsumedUnit", "BilledCost", "EffectiveCost", "ListCost",
    "BillingCurrency",
]
# fmt: on
# What Daytona charges: unit of the bill, seconds in it, dollars for one second.
COSTS = {
    "cpu": ("Core-Hours", "0.000014"),
    "memory": ("GiB-Hours", "0.0000045"),
    "storage": ("GiB-Hours", "0.00000003"),
}


@dataclass(frozen=True)
class Turn:
    """One turn of an agent; a voided one was a test run."""

    event_id: str
    at: int
    tokens: int
    voided: bool = False


@dataclass(frozen=True)
class Partner:
    account: Account
    periods: list[DaytonaPeriod]
    turns: list[Turn]
    levels: list[tuple[int, int]]  # (instant, MiB stored from then on)


def live_partner(seed: int, company: Company, timeline: Timeline) -> Partner:
    """The partner's six weeks, added to the timeline."""
    account = company.by_slug("lantern")
    chance = Seeded(seed, "life/partner")
    partner = Partner(account, _periods(account, chance), _turns(chance), _levels(chance))
    timeline.daytona += partner.periods
    owner = account.account_id
    timeline.measured += [
        Measured(
            turn.event_id, owner, "agent_tokens", Decimal(turn.tokens), turn.at, turn.at, ("", "")
        )
        for turn in partner.turns
        if not turn.voided
    ]
    for at, mib in partner.levels:
        until = min(at + DAY, AS_OF)
        # 1/1024 is 0.0009765625 exactly.
        stored = Decimal(mib * ((until - at) // SECOND) * 9_765_625).scaleb(-10)
        timeline.measured.append(
            Measured(rfc3339(at), owner, "session_storage", stored, at, until, ("", ""))
        )
    return partner


def _periods(account: Account, chance: Seeded) -> list[DaytonaPeriod]:
    """One sandbox that is stopped at night and keeps its disk, one that comes and goes."""
    found: list[DaytonaPeriod] = []

    def add(sandbox: str, start: int, end: int, vcpu: int, memory_gib: int, disk_gib: int) -> None:
        if start < AS_OF:
            closed = end if end <= AS_OF else None
            found.append(
                DaytonaPeriod(sandbox, account.org_id, start, closed, vcpu, memory_gib, disk_gib)
            )

    lab = f"lab-{chance.hex(8)}"
    midnight, woke = WINDOW_START, WINDOW_START
    while midnight < AS_OF:
        stopped = midnight + 16 * HOUR + chance.between(0, 7200) * SECOND
        add(lab, woke, stopped, 2, 4, 20)
        midnight += DAY
        woke = midnight + 7 * HOUR + chance.between(0, 3600) * SECOND
        add(lab, stopped, woke, 0, 0, 20)
    for day in range((AS_OF - WINDOW_START) // DAY):
        start = WINDOW_START + day * DAY + 9 * HOUR + chance.between(0, 14_400) * SECOND
        length = chance.between(300, 18_000) * SECOND
        add(f"job-{chance.hex(8)}", start, start + length, 4, 8, 10)
    return sorted(found, key=lambda period: (period.start, period.sandbox_id))


def _turns(chance: Seeded) -> list[Turn]:
    turns: list[Turn] = []
    at = WINDOW_START + 8 * HOUR
    while at < AS_OF - HOUR:
        number = len(turns)
        turns.append(Turn(f"turn-{chance.hex(10)}", at, chance.between(400, 9000), number == 40))
        at += chance.between(240, 900) * MINUTE
    return turns


def _levels(chance: Seeded) -> list[tuple[int, int]]:
    levels: list[tuple[int, int]] = []
    mib = 6144
    for day in range((AS_OF - WINDOW_START) // DAY + 1):
        levels.append((WINDOW_START + day * DAY, mib))
        mib += chance.between(-128, 512)
    return levels


def write_partner(seed: int, partner: Partner, landing: Landing) -> None:
    """Write `daytona/`, `cloudevents/`, `gauges/`, `focus/`, corrections and exchange rates."""
    chance = Seeded(seed, "partner files")
    for before, taken in pairwise((WINDOW_START, *DUMPS)):
        _write_periods(partner, before, taken, chance, landing)
    _write_polls(partner, landing)
    _write_turns(partner, chance, landing)
    landing.add_csv(
        "gauges/sessions.csv",
        ["sampled_at", "account_ref", "resource_id", "bytes"],
        [
            [rfc3339(at), partner.account.account_id, "sessions", str(mib * 2**20)]
            for at, mib in partner.levels
        ],
    )
    _write_costs(partner, landing)
    landing.add_csv(
        "exchange_rates.csv",
        ["rate_date", "from_currency", "to_currency", "rate"],
        [
            [rfc3339(WINDOW_START + week * 7 * DAY)[:10], "usd", "eur", f"0.{rate}"]
            for week, rate in ((week, chance.between(9050, 9350)) for week in range(6))
        ],
    )


def _write_periods(
    partner: Partner, before: int, taken: int, chance: Seeded, landing: Landing
) -> None:
    """What was open or began since the dump before: a period's id is another in every dump."""
    rows = [
        [
            chance.uuid(),
            period.sandbox_id,
            period.org_id,
            rfc3339(period.start),
            rfc3339(period.end) if period.end is not None and period.end <= taken else "",
            str(period.vcpu),
            "0",
            "",
            str(period.memory_gib),
            str(period.disk_gib),
            "eu",
            "container",
            "shared",
        ]
        for period in partner.periods
        if period.start < taken and (period.end is None or period.end > before)
    ]
    landing.add_csv(f"daytona/usage_periods/{rfc3339(taken)[:10]}.csv", PERIOD_COLUMNS, rows)


def _write_polls(partner: Partner, landing: Landing) -> None:
    """The usage API's answers about July and August; it counts the same seconds."""
    windows = (
        (WINDOW_START, AUGUST, ASKED[0]),
        (AUGUST, SEPTEMBER, ASKED[1]),
    )
    answers = []
    for start, end, fetched in windows:
        cpu, memory, disk = _used(partner.periods, start, end)
        answers.append(
            {
                "source": "daytona.aggregated",
                "organization_id": partner.account.org_id,
                "from": rfc3339(start),
                "to": rfc3339(end),
                "fetched_at": rfc3339(fetched),
                "response": {
                    "sandboxCount": len(
                        {p.sandbox_id for p in partner.periods if start <= p.start < end}
                    ),
                    "totalCPUSeconds": cpu,
                    "totalRAMGBSeconds": memory,
                    "totalDiskGBSeconds": disk,
                },
            }
        )
    path = "daytona/usage_polls/aggregated.ndjson"
    landing.add_lines(path, [compact(answer) for answer in answers])


def _used(periods: list[DaytonaPeriod], start: int, end: int) -> tuple[int, int, int]:
    """Core-seconds, memory and disk GiB-seconds in [start, end)."""
    cpu = memory = disk = 0
    for period in periods:
        until = AS_OF if period.end is None else period.end
        seconds = max(0, min(until, end) - max(period.start, start)) // SECOND
        cpu += period.vcpu * seconds
        memory += period.memory_gib * seconds
        disk += period.disk_gib * seconds
    return cpu, memory, disk


def _write_turns(partner: Partner, chance: Seeded, landing: Landing) -> None:
    lines = [
        compact(
            {
                "specversion": "1.0",
                "id": turn.event_id,
                "source": "/agents/eu",
                "type": TURN,
                "subject": partner.account.account_id,
                "time": rfc3339(turn.at),
                "data": {"tokens": turn.tokens, "model": chance.pick(["small", "large"])},
            }
        )
        for turn in partner.turns
    ]
    # The sender was not sure that the tenth had arrived.
    lines.insert(12, lines[9])
    landing.add_lines("cloudevents/agents.ndjson", lines)
    [voided] = [turn for turn in partner.turns if turn.voided]
    landing.add_csv(
        "corrections.csv",
        [
            "correction_id",
            "record_id",
            "action",
            "quantity",
            "reason",
            "requested_by",
            "requested_at",
        ],
        [
            [
                f"cor-{chance.hex(8)}",
                voided.event_id,
                "void",
                "",
                "A test run of ours, not the school's",
                "Ada",
                rfc3339(voided.at + DAY),
            ]
        ],
    )


def _write_costs(partner: Partner, landing: Landing) -> None:
    """A charge a day and resource, to a millionth of a dollar, as the provider rounds."""
    rows = []
    for day in range(31):
        start = AUGUST + day * DAY
        used = _used(partner.periods, start, start + DAY)
        for (sku, (unit, rate)), seconds in zip(COSTS.items(), used, strict=True):
            cost = format((seconds * Decimal(rate)).quantize(Decimal("0.000001")), "f")
            rows.append(
                [
                    "Daytona",
                    partner.account.org_id,
                    "",
                    rfc3339(AUGUST),
                    rfc3339(SEPTEMBER),
                    rfc3339(start),
                    rfc3339(start + DAY),
                    "Usage",
                    "Sandboxes",
                    sku,
                    format((Decimal(seconds) / 3600).quantize(Decimal("0.0001")), "f"),
                    unit,
                    cost,
                    cost,
                    cost,
                    "USD",
                ]
            )
    landing.add_csv("focus/daytona/2026-08.csv", COST_COLUMNS, rows)
