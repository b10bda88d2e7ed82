"""What truly happened: the life of every sandbox, before any provider wrote it down.

Durations come from small tables of minutes; nothing here knows about file formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from data.generator.clock import DAY, HOUR, MILLI, MINUTE, SECOND, instant, local_days, local_months
from data.generator.company import (
    AS_OF,
    TEMPLATES,
    WINDOW_START,
    Account,
    Company,
    Template,
    active_window,
)
from data.generator.seeded import Seeded

# The platform's webhook receiver was down in this window; its events exist only in a table dump.
OUTAGE = (instant("2026-08-19T03:10:00Z"), instant("2026-08-19T09:25:00Z"))
# Somebody polled the events of this window although they had been pushed too.
POLLED = (instant("2026-08-05T06:00:00Z"), instant("2026-08-06T06:00:00Z"))

# What happens in the last minute before the sample was taken has not arrived anywhere yet.
LAST_SEEN = AS_OF - MINUTE

OC_TIER_VCPU = {1024: 1, 4096: 1, 8192: 2, 16384: 4, 32768: 8, 65536: 16}


@dataclass
class E2BRun:
    """One execution of an E2B sandbox; with an end, `start` is whole milliseconds before it."""

    team: str
    template: Template
    sandbox_id: str
    execution_id: str
    start: int
    end: int | None
    metadata: dict[str, str]
    resumed: bool = False
    paused_at_end: bool = False
    latency: int = 0  # the start event is this much later than the start
    kill_reason: str = "request"
    set_timeouts: list[tuple[int, int]] = field(default_factory=list)  # (said at, deadline)
    checkpoints: list[int] = field(default_factory=list)
    reported_ms: int | None = None  # execution_time when it is not the whole run
    repeats_of_start: int = 0  # extra deliveries of the start event
    repeats_of_end: int = 0  # extra deliveries of the end event
    end_delay: int = 0  # how late the end event was received
    start_after_end: bool = False  # the start event was received after the end event
    name: str = ""  # of the oddity it shows, if any

    @property
    def started_event_at(self) -> int:
        return self.start + self.latency


@dataclass
class ScaleRow:
    """One row of OpenComputer's scale-event table: a size held over [start, end)."""

    row_id: str
    sandbox_id: str
    org_id: str
    memory_mib: int
    start: int
    end: int | None
    disk_mib: int = 20480
    cpu_percent: int | None = None  # None: what the writer derives from the size
    name: str = ""

    @property
    def vcpu(self) -> Decimal:
        tier = OC_TIER_VCPU.get(self.memory_mib)
        return Decimal(tier) if tier is not None else Decimal(self.cpu_percent or 0) / 100


@dataclass
class FleetRow:
    """One allocation of the company's own GPU fleet."""

    record_id: str
    account_ref: str
    resource_id: str
    start: int
    end: int | None
    vcpu: int
    memory_mib: int
    disk_mib: int
    gpu: int
    region: str


@dataclass
class Measured:
    """An amount that arrives already measured."""

    record_id: str
    account_ref: str
    meter_id: str
    quantity: Decimal
    start: int
    end: int
    dimension: tuple[str, str]


@dataclass(frozen=True)
class DaytonaPeriod:
    """A row of Daytona's usage periods; without vcpu and memory the sandbox is stopped."""

    sandbox_id: str
    org_id: str
    start: int
    end: int | None
    vcpu: int
    memory_gib: int
    disk_gib: int


@dataclass
class Timeline:
    daytona: list[DaytonaPeriod] = field(default_factory=list)
    e2b: list[E2BRun] = field(default_factory=list)
    opencomputer: list[ScaleRow] = field(default_factory=list)
    fleet: list[FleetRow] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)


def live(seed: int, company: Company) -> Timeline:
    """Six weeks of ordinary life, account by account, each with its own stream of chance."""
    timeline = Timeline()
    for account in company.accounts:
        chance = Seeded(seed, f"life/{account.slug}")
        timeline.e2b += _e2b_lives(company, account, chance)
        timeline.opencomputer += _opencomputer_lives(company, account, chance)
        timeline.opencomputer += _services(company, account, chance)
        timeline.fleet += _fleet_lives(company, account, chance)
        timeline.measured += _measured(account, chance)
    return timeline


def crosses(account: Account, start: int, end: int) -> bool:
    """True when [start, end] touches a month end, the polled window or the outage."""
    if any(start < until and end > since for since, until in (POLLED, OUTAGE)):
        return True
    months = local_months(account.zone, WINDOW_START, AS_OF)
    return not any(begins + MINUTE <= start and end <= ends - MINUTE for _, begins, ends in months)


def _starts(account: Account, window: tuple[int, int], rate: int, chance: Seeded) -> list[int]:
    """Start instants over the account's working days; a weekend has a quarter of a working day."""
    found: list[int] = []
    for midnight, weekday in local_days(account.zone, window[0], window[1]):
        expected = rate if weekday <= 5 else rate // 4
        count = expected // 10 + (1 if chance.between(1, 10) <= expected % 10 else 0)
        for _ in range(count):
            hour = chance.pick([8, 9, 9, 10, 10, 11, 13, 14, 14, 15, 16, 17, 20, 22])
            found.append(midnight + hour * HOUR + chance.between(0, HOUR - 1))
    return sorted(s for s in found if window[0] <= s < window[1])


def _length_ms(chance: Seeded, short: bool = False) -> int:
    """Milliseconds of one run: mostly minutes, sometimes hours."""
    if short:
        return chance.between(20_000, 900_000)
    low, high = chance.pick([(1, 6), (4, 25), (4, 25), (15, 70), (15, 70), (45, 260)])
    return chance.between(low * 60_000, high * 60_000)


def _e2b_lives(company: Company, account: Account, chance: Seeded) -> list[E2BRun]:
    habits = account.habits
    runs: list[E2BRun] = []
    if not habits.e2b:
        return runs
    window = active_window(company, account)
    team = company.customer_team if account.slug == "quillon" else company.platform_team
    for start in _starts(account, window, habits.e2b_rate, chance):
        template = TEMPLATES[chance.pick(habits.e2b)]
        metadata = {"customer": account.e2b_customer, "project": f"p-{chance.between(1, 9)}"}
        if account.slug == "quillon":
            metadata = {} if chance.permille(500) else {"purpose": "ci"}
        sandbox_id = "i" + chance.base36(19)
        life: list[E2BRun] = []
        at, resumed = start, False
        while True:
            end = at + _length_ms(chance) * MILLI
            goes_on = chance.permille(habits.pauses) and len(life) < 4
            run = E2BRun(
                team,
                template,
                sandbox_id,
                chance.uuid(),
                at,
                end,
                dict(metadata),
                resumed,
                goes_on,
                latency=0 if habits.exact_starts else chance.between(20 * MILLI, 400 * MILLI),
                kill_reason=chance.pick(["request", "request", "request", "timeout"]),
            )
            if chance.permille(150):
                said = at + chance.between(2, 30) * SECOND
                run.set_timeouts.append(
                    (said, end - end % SECOND + chance.between(60, 7200) * SECOND)
                )
            life.append(run)
            if not goes_on:
                break
            at, resumed = end + chance.between(8, 300) * MINUTE + chance.between(0, SECOND), True
        last = life[-1].end
        assert last is not None
        if last >= window[1] < AS_OF or (habits.contained and crosses(account, start, last)):
            continue
        runs += [_as_seen(run) for run in life if run.started_event_at < LAST_SEEN]
    return runs


def _as_seen(run: E2BRun) -> E2BRun:
    """A run whose end lies beyond what the sample could see is still running."""
    if run.end is not None and run.end >= LAST_SEEN:
        run.end = None
    return run


def _scale_end(end: int) -> int | None:
    return end if end < LAST_SEEN else None


def _opencomputer_lives(company: Company, account: Account, chance: Seeded) -> list[ScaleRow]:
    habits = account.habits
    rows: list[ScaleRow] = []
    if not habits.oc:
        return rows
    window = active_window(company, account)
    for start in _starts(account, window, habits.oc_rate, chance):
        sandbox_id = "sb-" + chance.hex(8)
        size = chance.pick(habits.oc)
        disk = chance.pick([20480, 20480, 20480, 40960])
        life: list[ScaleRow] = []
        at = start
        while True:
            end = at + _length_ms(chance, habits.short) * MILLI + chance.between(0, 999)
            life.append(ScaleRow(chance.uuid(), sandbox_id, account.org_id, size, at, end, disk))
            if not (chance.permille(habits.resizes) and len(habits.oc) > 1):
                break
            at, size = end, chance.pick([s for s in habits.oc if s != size])
            life[-1].name = "resize"
        last = life[-1].end
        assert last is not None
        if last >= window[1] < AS_OF or (habits.contained and crosses(account, start, last)):
            continue
        for row in life:
            if row.start < LAST_SEEN:
                row.end = _scale_end(row.end or 0)
                rows.append(row)
    return rows


def _services(company: Company, account: Account, chance: Seeded) -> list[ScaleRow]:
    """Sandboxes kept up for days at a time, hibernated in between."""
    rows: list[ScaleRow] = []
    start, stop = active_window(company, account)
    for size in account.habits.services:
        sandbox_id = "sb-" + chance.hex(8)
        at = start + chance.between(5 * MINUTE, 9 * HOUR)
        while at < min(stop, LAST_SEEN):
            end = at + chance.between(2 * DAY, 6 * DAY)
            rows.append(
                ScaleRow(
                    chance.uuid(), sandbox_id, account.org_id, size, at, _scale_end(end), 40960
                )
            )
            at = end + chance.between(30 * MINUTE, 9 * HOUR)
    return rows


def _fleet_lives(company: Company, account: Account, chance: Seeded) -> list[FleetRow]:
    rows: list[FleetRow] = []
    if not account.habits.foundry_rate:
        return rows
    ref = account.fleet_ref if account.slug == "orchard" else account.account_id
    for start in _starts(
        account, active_window(company, account), account.habits.foundry_rate, chance
    ):
        end = start + _length_ms(chance) * MILLI
        gpu = chance.pick([1, 1, 2])
        rows.append(
            FleetRow(
                f"fnd-{chance.hex(10)}",
                ref,
                f"gpu-{chance.between(1, 6):02d}",
                start,
                _scale_end(end),
                8 * gpu,
                65536 * gpu,
                204800,
                gpu,
                chance.pick(["eu-central", "us-west"]),
            )
        )
    return _one_tenant_at_a_time([row for row in rows if row.start < LAST_SEEN])


def _one_tenant_at_a_time(rows: list[FleetRow]) -> list[FleetRow]:
    """A resource is never allocated twice at once; drop what would overlap."""
    kept: list[FleetRow] = []
    for row in sorted(rows, key=lambda r: (r.start, r.record_id)):
        same = [k for k in kept if k.resource_id == row.resource_id]
        if all(k.end is not None and k.end <= row.start for k in same):
            kept.append(row)
    return kept


def _measured(account: Account, chance: Seeded) -> list[Measured]:
    """Hourly request counts, and the daily accrual of stored artifacts over the local day."""
    found: list[Measured] = []
    for midnight, _ in local_days(account.zone, WINDOW_START, AS_OF - DAY):
        if account.habits.api:
            for hour in (9, 12, 15, 20):
                start = midnight + hour * HOUR
                found.append(
                    Measured(
                        f"api-{chance.hex(12)}",
                        account.account_id,
                        "api_requests",
                        Decimal(chance.between(200, 9000)),
                        start,
                        start + HOUR,
                        ("endpoint", chance.pick(["exec", "files", "ports"])),
                    )
                )
        if account.habits.artifacts:
            # A multiple of 24 millionths, so that a day divides into hours without remainder.
            accrual = Decimal(24 * chance.between(30_000, 90_000)) / 1_000_000
            ends = midnight + DAY
            found.append(
                Measured(
                    f"art-{chance.hex(12)}",
                    account.account_id,
                    "artifact_gib_months",
                    accrual,
                    midnight,
                    ends,
                    ("storage_class", "standard"),
                )
            )
    return found
