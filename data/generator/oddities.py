"""What goes wrong in real records, put into the timeline on purpose, each with a note for the
truth file.

Every oddity except those of the eight accounts with a planted discrepancy leaves the Stripe data
right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data.generator.clock import HOUR, MILLI, MINUTE, SECOND, instant, local_months
from data.generator.company import (
    AS_OF,
    CUSTOMER_MOVES,
    TEMPLATES,
    UNATTRIBUTED,
    WINDOW_START,
    Account,
    Company,
)
from data.generator.seeded import Seeded
from data.generator.timeline import OUTAGE, POLLED, E2BRun, FleetRow, ScaleRow, Timeline

# The backlog of a consumer that had been down for days was delivered from here on.
BACKLOG_DELIVERED = instant("2026-09-02T06:05:00Z")
JULY_BACKLOG_DELIVERED = instant("2026-08-02T14:20:00Z")
NIGHT_BATCH = (instant("2026-08-31T18:00:00Z"), instant("2026-09-01T06:00:00Z"))


@dataclass(frozen=True)
class Oddity:
    kind: str
    account_id: str
    record: str  # id found in the files: sandbox, scale row, event, record or file name
    note: str = ""


def add_oddities(seed: int, company: Company, timeline: Timeline) -> list[Oddity]:
    """Change the timeline in place; return what was done."""
    chance = Seeded(seed, "oddities")
    found: list[Oddity] = []
    found += _repeat_deliveries(company, timeline, chance)
    found += _deliver_late(company, timeline, chance)
    found += _deliver_out_of_order(company, timeline)
    found += _planted_retries(company, timeline, chance)
    found += _planted_late_usage(company, timeline, chance)
    found += _planted_missing_ends(company, timeline, chance)
    found += _planted_night_batch(company, timeline, chance)
    found += _odd_runs(company, timeline, chance)
    found += _odd_scale_rows(company, timeline, chance)
    found += _odd_leases(company, timeline, chance)
    found += _already_there(company, timeline)
    return found


def _runs_of(account: Account, timeline: Timeline) -> list[E2BRun]:
    return [r for r in timeline.e2b if r.metadata.get("customer") == account.e2b_customer]


def _calm_runs(company: Company, timeline: Timeline) -> list[E2BRun]:
    """Ended runs of accounts without a plant, clear of the polled window and the outage."""
    planted = {a.e2b_customer for a in company.accounts if a.plants}
    return [
        r
        for r in timeline.e2b
        if r.end is not None
        and r.metadata.get("customer") not in planted
        and not any(w[0] - MINUTE <= t <= w[1] for w in (POLLED, OUTAGE) for t in (r.start, r.end))
    ]


def _owner(company: Company, run: E2BRun) -> str:
    customer = run.metadata.get("customer")
    owners = [a.account_id for a in company.accounts if a.e2b_customer == customer]
    return owners[0] if owners else company.by_slug("quillon").account_id


def _repeat_deliveries(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    found: list[Oddity] = []
    for run in _calm_runs(company, timeline):
        if chance.permille(30):
            run.repeats_of_end = chance.pick([1, 1, 2])
            found.append(
                Oddity("duplicate_delivery", _owner(company, run), run.execution_id, "end")
            )
        if chance.permille(20):
            run.repeats_of_start = 1
            found.append(
                Oddity("duplicate_delivery", _owner(company, run), run.execution_id, "start")
            )
    return found


def _deliver_late(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    found: list[Oddity] = []
    calm = _calm_runs(company, timeline)
    latest = instant("2026-08-24T00:00:00Z")
    for run in [r for r in calm if r.end is not None and WINDOW_START < r.end < latest][7::110]:
        run.end_delay = chance.between(2 * 24 * HOUR, 5 * 24 * HOUR)
        found.append(Oddity("received_days_late", _owner(company, run), run.execution_id))
    kestrel = company.by_slug("kestrel")
    july_end = instant("2026-08-01T00:00:00Z")
    july = [r for r in _runs_of(kestrel, timeline) if r.end is not None and r.end < july_end]
    for index, run in enumerate(july[-3:]):
        assert run.end is not None
        run.end_delay = JULY_BACKLOG_DELIVERED + index * 7 * SECOND - run.end
        found.append(
            Oddity("received_after_month_end", kestrel.account_id, run.execution_id, "38 h")
        )
    return found


def _deliver_out_of_order(company: Company, timeline: Timeline) -> list[Oddity]:
    found: list[Oddity] = []
    candidates = [
        r for r in _calm_runs(company, timeline) if not r.end_delay and not r.repeats_of_end
    ]
    for run in candidates[11::90]:
        run.start_after_end = True
        found.append(Oddity("delivered_out_of_order", _owner(company, run), run.execution_id))
    return found


def _august(account: Account) -> tuple[int, int]:
    months = local_months(account.zone, WINDOW_START, AS_OF)
    return next((start, end) for month, start, end in months if month == "2026-08")


def _planted_retries(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    account = company.by_slug("pebble")
    found: list[Oddity] = []
    for run in [r for r in _runs_of(account, timeline) if r.end is not None][1::4]:
        run.repeats_of_end = chance.pick([1, 1, 1, 2])
        found.append(Oddity("duplicate_delivery", account.account_id, run.execution_id, "end"))
    return found


def _planted_late_usage(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    account = company.by_slug("monsoon")
    _, month_end = _august(account)
    since = instant("2026-08-27T00:00:00Z")
    found: list[Oddity] = []
    late = [
        r for r in _runs_of(account, timeline) if r.end is not None and since < r.end < month_end
    ]
    for index, run in enumerate(late):
        assert run.end is not None
        run.end_delay = BACKLOG_DELIVERED + index * 3 * MINUTE + chance.between(0, SECOND) - run.end
        found.append(
            Oddity("received_after_month_end", account.account_id, run.execution_id, "35 h")
        )
    return found


def _planted_missing_ends(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    account = company.by_slug("undertow")
    _, month_end = _august(account)
    found: list[Oddity] = []
    for run in _runs_of(account, timeline)[3::7]:
        if run.end is None or run.start + 4 * HOUR > month_end:
            continue
        _lose_end(run, run.start + chance.between(50 * MINUTE, 200 * MINUTE) // SECOND * SECOND)
        found.append(Oddity("missing_end", account.account_id, run.execution_id, "set_timeout"))
    return found


def _lose_end(run: E2BRun, deadline: int | None) -> None:
    run.end, run.paused_at_end, run.repeats_of_end, run.start_after_end = None, False, 0, False
    run.set_timeouts = [] if deadline is None else [(run.started_event_at + 5 * SECOND, deadline)]


def _planted_night_batch(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    """Ten sandboxes run through the month's end and are the only usage of its last six hours."""
    account = company.by_slug("nightshift")
    start, end = NIGHT_BATCH
    timeline.opencomputer = [
        r
        for r in timeline.opencomputer
        if r.org_id != account.org_id or (r.end or AS_OF) <= start or r.start >= end
    ]
    for _ in range(10):
        begins = start + chance.between(5 * MINUTE, 110 * MINUTE)
        ends = end - chance.between(1 * HOUR, 4 * HOUR)
        timeline.opencomputer.append(
            ScaleRow(chance.uuid(), "sb-" + chance.hex(8), account.org_id, 16384, begins, ends)
        )
    return []


def _odd_runs(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    found: list[Oddity] = []

    def sandbox() -> str:
        return "i" + chance.base36(19)

    def add(
        kind: str,
        slug: str,
        template: str,
        start: str,
        length: int | None,
        *,
        sandbox_id: str = "",
        resumed: bool = False,
        paused: bool = False,
        latency: int = 0,
        note: str = "",
    ) -> E2BRun:
        """A run of `length` microseconds from `start`, belonging to the account `slug`."""
        known = [a for a in company.accounts if a.slug == slug]
        begins = instant(start)
        run = E2BRun(
            company.platform_team,
            TEMPLATES[template],
            sandbox_id or sandbox(),
            chance.uuid(),
            begins,
            None if length is None else begins + length,
            {"customer": slug} if slug else {},
            resumed,
            paused,
            latency,
            name=kind,
        )
        timeline.e2b.append(run)
        owner = known[0].account_id if known else UNATTRIBUTED
        found.append(Oddity(kind, owner, run.execution_id, note))
        return run

    # The end event counts only the time since the checkpoint.
    for slug, template, start in (
        ("rocket", "notebook", "2026-08-07T15:00:00.250000Z"),
        ("kestrel", "base", "2026-08-13T09:12:44.018220Z"),
        ("zlutoucky", "notebook", "2026-07-28T11:40:03.400100Z"),
    ):
        run = add("checkpoint_short_execution", slug, template, start, HOUR, latency=210 * MILLI)
        run.checkpoints = [run.start + 30 * MINUTE]
        run.reported_ms = (30 * MINUTE - 640 * MILLI) // MILLI

    # A VM crash emits no event; the sandbox comes back later under a new execution.
    crashed = add("crash_then_resume", "rocket", "notebook", "2026-08-12T15:00:00.120034Z", None)
    add(
        "crash_then_resume",
        "rocket",
        "notebook",
        "2026-08-12T17:00:00.500000Z",
        70 * MINUTE + 12 * MILLI,
        sandbox_id=crashed.sandbox_id,
        resumed=True,
    )
    add("missing_end", "kestrel", "base", "2026-08-20T09:30:00.700000Z", None, note="24 h")
    add(
        "missing_end",
        "meridian",
        "base",
        "2026-08-31T20:15:30.000250Z",
        None,
        note="24 h, over month end",
    )
    run = add(
        "missing_end",
        "zlutoucky",
        "notebook",
        "2026-08-14T08:00:01.050000Z",
        None,
        note="set_timeout",
    )
    run.set_timeouts = [
        (run.start + 4 * SECOND, instant("2026-08-14T08:30:00Z")),
        (run.start + 20 * MINUTE, instant("2026-08-14T09:45:00Z")),
    ]

    # Clocks of two nodes disagree: the next run begins 350 ms before the pause.
    first = add(
        "overlapping_runs",
        "zlutoucky",
        "notebook",
        "2026-08-21T10:00:00.000000Z",
        25 * MINUTE,
        paused=True,
    )
    add(
        "overlapping_runs",
        "zlutoucky",
        "notebook",
        "2026-08-21T10:24:59.650000Z",
        40 * MINUTE,
        sandbox_id=first.sandbox_id,
        resumed=True,
    )
    # The start event says 80 ms after the end event.
    add(
        "end_before_start",
        "saltmarsh",
        "notebook",
        "2026-08-10T16:20:10.180000Z",
        0,
        latency=80 * MILLI,
    )
    add("zero_execution_time", "saltmarsh", "notebook", "2026-08-11T07:02:33.901122Z", 0)
    add("zero_execution_time", "energie", "base", "2026-07-30T13:41:08.000007Z", 0)

    # One customer changes hands in the middle of a run.
    moves_in = CUSTOMER_MOVES - 80 * MINUTE - 123_456
    run = add("customer_moved", "saltmarsh", "browser-pool", "2026-08-15T22:00:00Z", 0)
    run.start, run.end = moves_in, moves_in + 160 * MINUTE

    # Nobody knows these customers.
    for start_text in (
        "2026-07-25T12:00:00.5Z",
        "2026-08-09T12:31:07.25Z",
        "2026-08-31T23:20:00.125Z",
    ):
        add("unattributed", "ghost-corp", "base", start_text, 95 * MINUTE)
    for start_text in (
        "2026-08-05T11:10:00.75Z",
        "2026-08-19T04:00:00.5Z",
        "2026-08-28T18:00:30.5Z",
    ):
        add("unattributed", "", "code-interpreter-v1", start_text, 42 * MINUTE)
    return found


def _odd_scale_rows(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    found: list[Oddity] = []

    def add(
        kind: str,
        slug: str,
        size: int,
        start: str,
        end: str | None,
        sandbox_id: str = "",
        cpu_percent: int | None = None,
        note: str = "",
        org_id: str = "",
    ) -> ScaleRow:
        account = None if org_id else company.by_slug(slug)
        row = ScaleRow(
            chance.uuid(),
            sandbox_id or "sb-" + chance.hex(8),
            account.org_id if account else org_id,
            size,
            instant(start),
            None if end is None else instant(end),
            cpu_percent=cpu_percent,
            name=kind,
        )
        timeline.opencomputer.append(row)
        found.append(
            Oddity(kind, account.account_id if account else UNATTRIBUTED, row.row_id, note)
        )
        return row

    add(
        "off_tier_size",
        "tidewrack",
        2048,
        "2026-08-18T09:00:00.5Z",
        "2026-08-18T12:00:00.75Z",
        cpu_percent=150,
        note="2048 MiB has no charge",
    )
    add("end_before_start", "copperline", 8192, "2026-08-12T21:05:00.080Z", "2026-08-12T21:05:00Z")
    # Two writers each opened a row; the first was never closed.
    first = add("overlapping_open_rows", "banyan", 4096, "2026-08-16T15:00:00.004Z", None)
    add(
        "overlapping_open_rows",
        "banyan",
        8192,
        "2026-08-16T20:00:00.300500Z",
        "2026-08-17T10:12:00Z",
        sandbox_id=first.sandbox_id,
    )
    # Sandbox ids are not unique across organisations.
    twin = add(
        "same_sandbox_id_in_two_orgs",
        "fjord",
        4096,
        "2026-08-07T08:00:00.125Z",
        "2026-08-07T11:00:00Z",
    )
    add(
        "same_sandbox_id_in_two_orgs",
        "lumen",
        4096,
        "2026-08-07T09:30:00.5Z",
        "2026-08-07T10:15:20.5Z",
        sandbox_id=twin.sandbox_id,
    )
    add(
        "offset_timestamp",
        "fjord",
        8192,
        "2026-08-05T10:00:00.250Z",
        "2026-08-05T13:30:10.750Z",
        note="written with +02:00",
    )
    add(
        "offset_timestamp",
        "fjord",
        8192,
        "2026-07-31T20:30:00.250Z",
        "2026-07-31T23:10:10.750Z",
        note="written with +02:00, over the local month end",
    )
    stranger = chance.uuid()
    add("unattributed", "", 4096, "2026-08-06T04:00:00.5Z", "2026-08-06T06:41:00Z", org_id=stranger)
    add(
        "unattributed", "", 1024, "2026-08-27T22:15:00Z", "2026-08-28T01:00:00.25Z", org_id=stranger
    )
    return found


def _odd_leases(company: Company, timeline: Timeline, chance: Seeded) -> list[Oddity]:
    """One allocation open in July's export and closed in August's, one that is open still."""
    account = company.by_slug("boldtype")
    found: list[Oddity] = []
    for kind, resource, start, end in (
        ("open_row_closed_later", "gpu-08", "2026-07-31T22:10:00.5Z", "2026-08-01T09:40:20.25Z"),
        ("still_open", "gpu-09", "2026-09-02T07:00:00Z", None),
    ):
        record = f"fnd-{chance.hex(10)}"
        timeline.fleet.append(
            FleetRow(
                record,
                account.account_id,
                resource,
                instant(start),
                None if end is None else instant(end),
                8,
                65536,
                204800,
                1,
                "eu-central",
            )
        )
        found.append(Oddity(kind, account.account_id, record))
    return found


def _already_there(company: Company, timeline: Timeline) -> Iterable[Oddity]:
    """Ordinary life has these in number; one example of each is enough."""
    calm = _calm_runs(company, timeline)
    paused = next(r for r in calm if r.paused_at_end)
    yield Oddity("pause_and_resume", _owner(company, paused), paused.sandbox_id)
    truncated = next(r for r in calm if r.start % SECOND > 900 * MILLI)
    yield Oddity("truncated_start", _owner(company, truncated), truncated.execution_id)
    resized = next(r for r in timeline.opencomputer if r.name == "resize")
    account = next(a for a in company.accounts if a.org_id == resized.org_id)
    yield Oddity("resize", account.account_id, resized.sandbox_id)
