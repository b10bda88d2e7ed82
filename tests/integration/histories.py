"""Random small histories of four sources, and a plain model of what they come to.

The model is written from the rules (DECISIONS.md), in whole microseconds and without SQL: which
states of a record are known, where a run begins and ends, whose it is, what each measure gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from random_prices import MODELS, PAID, ROUNDED, all_meters, priced, random_charge
from world import (
    MEASURES,
    START,
    Row,
    World,
    capture,
    charge,
    e2b,
    interval,
    period,
    plan,
    quantity,
    scale_event,
    text_of,
    utc,
    version,
)

FIRST_DAY = utc("2026-07-30")
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

ZONES = {"ann": "UTC", "bob": "Asia/Kolkata", "eve": "America/Los_Angeles"}
# `moved` goes from ann to bob at an odd instant in the middle of a day.
MOVED_AT = utc("2026-07-31T13:37:11.000001")
OWNERS = {
    "ann": [("ann", None, None)],
    "bob": [("bob", None, None)],
    "moved": [("ann", None, MOVED_AT), ("bob", MOVED_AT, None)],
}
NOBODY = "unattributed"

# vCPU and MiB of each template.
TEMPLATES = {"small": (1, 256), "large": (4, 3000), "own": (2, 1024)}
TIERS = {1024: 1, 4096: 1, 8192: 2}


@dataclass(frozen=True)
class Told:
    """A record as one file tells it: what it says, and from when on it is known."""

    source: str
    row: Row
    known_at: datetime
    facts: dict[str, Any]


@dataclass
class History:
    """Everything that is ever told, grouped into files."""

    files: dict[str, list[Told]] = field(default_factory=dict)

    def write(self, world: World, names: Iterable[str], prefix: str = "") -> None:
        """Land some files; a prefix gives the same contents other names."""
        for name in names:
            source, _, rest = name.rpartition("/")
            world.write(f"{source}/{prefix}{rest}", [told.row for told in self.files[name]])

    def told(self, names: Iterable[str]) -> list[Told]:
        """The records of some files."""
        return [told for name in names for told in self.files[name]]


def prepare(world: World) -> None:
    """The accounts of the histories."""
    for account, zone in ZONES.items():
        world.account(account, timezone=zone, links=False)
    for customer, owners in OWNERS.items():
        for account, start, end in owners:
            bounds = [text_of(each) if each else "" for each in (start, end)]
            world.link("e2b", "metadata:customer", customer, account, *bounds)
            world.link("opencomputer", "account", f"org-{customer}", account, *bounds)
            world.link("daytona", "account", f"org-{customer}", account, *bounds)
            world.link("foundry", "account", f"fleet-{customer}", account, *bounds)


# Instants at which rating changes, in order: July ends in India, in UTC and in California, where
# eve's own month begins a day later; a subscription of bob begins and one of Stripe becomes known,
# a price of the past is published and bob's trial ends, an account begins, ann's first credit and
# old's year end, and August ends.
RATED_INSTANTS = tuple(
    utc(text)
    for text in (
        "2026-07-30T17:00:00.000001",
        "2026-07-31T18:30:00",
        "2026-08-01T00:00:00",
        "2026-08-01T07:00:00",
        "2026-08-02T07:00:00",
        "2026-08-03T03:30:00",
        "2026-08-05T05:00:00",
        "2026-08-10T00:00:01",
        "2026-08-15T00:00:00",
        "2026-08-31T18:30:00",
        "2026-09-01T00:00:00",
        "2026-09-02T07:00:00",
    )
)


def prepare_rating(world: World) -> None:
    """The accounts of the histories, with plans and credits of which each rule has something."""
    tiers = [{"up_to": "1000", "unit_amount": "0.02"}, {"up_to": None, "unit_amount": "0.01"}]
    graduated = {"charge_key": "seconds", "meter_id": "sandbox_seconds", "model": "graduated"}
    charges = [
        graduated | {"properties": {"tiers": tiers}, "included_quantity": "100"},
        charge("cpu", "sandbox_cpu_core_seconds", "0.003", percentage_discount="10"),
    ]
    rules = {
        "base_amount": "20",
        "minimum_amount": "50",
        "included_amount": "5",
        "threshold_amount": "60",
    }
    dearer = [charges[0], charge("cpu", "sandbox_cpu_core_seconds", "0.004")]
    world.plans += [
        plan(
            "rules",
            version(START, charges, **rules),
            version("2026-07-31T10:00:00Z", dearer, published_at="2026-08-05T05:00:00Z", **rules),
        ),
        plan("annual", version("2025-01-01T00:00:00Z", charges, interval="year", **rules)),
    ]
    prepare(world)
    world.account("heir", plan_id=None)
    world.account("new", plan_id="rules", started_at="2026-08-10T00:00:01Z")
    world.subscriptions = [each for each in world.subscriptions if each["account_id"] == "new"]
    world.subscribe("ann", "rules", "2026-07-01T00:00:00Z")
    world.subscribe("bob", "payg", START, "2026-08-03T03:30:00Z")
    world.subscribe("bob", "rules", "2026-08-03T03:30:00Z", trial_end="2026-08-05T05:00:00Z")
    world.account("old", plan_id="annual", started_at="2025-08-15T00:00:00Z", anchor="2025-08-15")
    world.account("striped", plan_id=None)
    # Of Stripe, and known from the time on at which it was fetched.
    subscription = {
        "id": "sub_striped",
        "customer": "cus_striped",
        "status": "active",
        "start_date": int(utc("2026-07-15T00:00:00").timestamp()),
        "billing_cycle_anchor": int(utc("2026-07-15T00:00:00").timestamp()),
        "metadata": {"plan_id": "rules"},
        "fetched_at": "2026-08-03T03:30:00Z",
    }
    world.write("stripe/subscriptions/one.ndjson", [subscription])
    world.subscribe("eve", "payg", "2026-07-30T05:05:00Z", anchor="2026-08-02T07:00:00Z")
    for number, (account, amount, effective, expires) in enumerate(
        [
            ("ann", "3.00", "2026-07-01T00:00:00Z", "2026-08-15T00:00:00Z"),
            ("ann", "1000.00", "2026-07-01T00:00:00Z", ""),
            ("bob", "7.50", "2026-08-01T00:00:00Z", "2026-12-31T00:00:00Z"),
        ]
    ):
        world.credits.append(
            {
                "credit_id": f"credit-{number}",
                "account_id": account,
                "amount": amount,
                "currency": "usd",
                "category": "promotional",
                "priority": "",
                "effective_at": effective,
                "expires_at": expires,
                "meter_id": "",
            }
        )


# Versions of the sales plans are published at these, and shops of theirs change hands at the last.
PUBLISHED = ("2026-08-02T07:00:00Z", "2026-08-05T05:00:00Z", "2026-08-15T00:00:00Z")
SALES_PLANS = 12
SALES_ACCOUNTS = 60
SHOPS = {
    f"shop-{number}": (f"sold-{number}", f"sold-{number + 1}")
    for number in range(0, SALES_ACCOUNTS, 3)
}


def prepare_sales(world: World, random: Random) -> None:
    """Accounts under random plans of every charge model, with limits, discounts and credits.

    Each plan has a second version that begins in the past and is published later.
    """
    world.meters = [*world.meters, *all_meters()]
    for number in range(SALES_PLANS):
        charges = _random_charges(random)
        later = FIRST_DAY - timedelta(days=15) + random.randrange(20 * 24) * HOUR
        repriced = [
            random.choice(pair) for pair in zip(charges, _random_charges(random), strict=True)
        ]
        world.plans.append(
            plan(
                f"sales-{number}",
                version(START, charges, **_random_terms(random)),
                version(
                    text_of(later),
                    repriced,
                    published_at=random.choice(PUBLISHED),
                    **_random_terms(random),
                ),
            )
        )
    for number in range(SALES_ACCOUNTS):
        account = world.account(f"sold-{number}", plan_id=None, links=False)
        end = random.choice(["", "", "2026-08-03T03:30:00Z"])
        world.subscribe(account, f"sales-{number % SALES_PLANS}", "2026-07-01T00:00:00Z", end)
        for grant in range(random.choice([0, 0, 1, 2])):
            world.credits.append(
                {
                    "credit_id": f"grant-{number}-{grant}",
                    "account_id": account,
                    "amount": str(random.choice([1, 20, 300, 5000])),
                    "currency": "usd",
                    "category": random.choice(["paid", "promotional"]),
                    "priority": random.choice(["", "0"]),
                    "effective_at": "2026-07-01T00:00:00Z",
                    "expires_at": random.choice(["", "2026-08-15T00:00:00Z"]),
                    "meter_id": random.choice(["", "units", "paid"]),
                }
            )
    link_shops(world, MOVED_AT)


def link_shops(world: World, moved_at: datetime) -> None:
    """Every shop is one account's until an instant, and another's from then on."""
    world.links = [each for each in world.links if each["match_value"] not in SHOPS]
    for shop, (before, after) in SHOPS.items():
        world.link("foundry", "account", shop, before, end=text_of(moved_at))
        world.link("foundry", "account", shop, after, start=text_of(moved_at))


def _random_charges(random: Random) -> list[Row]:
    charges = [{"charge_key": model} | random_charge(random, model) for model in MODELS]
    charges.append({"charge_key": "dynamic"} | priced("dynamic", "paid", amount="$.cost"))
    for each in charges:
        if random.random() < 0.3:
            each["percentage_discount"] = random.choice(["10", "33.3", "100"])
    return charges


def _random_terms(random: Random) -> Row:
    return {
        "base_amount": random.choice(["0", "0", "31"]),
        "minimum_amount": random.choice([None, None, "50", "400"]),
        "maximum_amount": random.choice([None, None, "500", "2000"]),
        "included_amount": random.choice([None, None, "5", "300"]),
        "threshold_amount": random.choice([None, None, None, "40", "400"]),
    }


# --- Making them up -------------------------------------------------------------------------


def make_history(random: Random, sandboxes: int) -> History:
    """A history of as many sandboxes, told in at least two files a source."""
    told: list[Told] = []
    for number in range(sandboxes):
        maker = random.choice(
            [_e2b_sandbox, _e2b_sandbox, _scaled_sandbox, _metered_sandbox, _leased_machine]
        )
        told.extend(maker(random, number))
    return grouped(random, told)


def grouped(random: Random, told: Sequence[Told], label: str = "part") -> History:
    """The records in a random order, in random files of their source."""
    history = History()
    formats = {
        "e2b": "ndjson",
        "opencomputer/scale_events": "ndjson",
        "daytona/usage_periods": "csv",
        "intervals": "csv",
        "quantities": "csv",
        "cloudevents": "ndjson",
    }
    for each in random.sample(list(told), len(told)):
        name = f"{each.source}/{label}-{random.randrange(4)}.{formats[each.source]}"
        history.files.setdefault(name, []).append(each)
    return history


def _moment(random: Random) -> datetime:
    # A coarse grid with a few odd microseconds: ties and neighbours are where mistakes are.
    steps = random.randrange(3 * 24 * 6)
    return FIRST_DAY + steps * 10 * MINUTE + random.choice([0, 0, 0, 1, 999_999]) * MICROSECOND


def _owner(random: Random) -> str:
    return random.choice(["ann", "bob", "moved", "stranger"])


def _e2b_sandbox(random: Random, number: int) -> Iterator[Told]:
    sandbox, customer = f"e-{number}", _owner(random)
    template = random.choice(["small", "large", f"own-{number}"])
    vcpu, memory = TEMPLATES[template.partition("-")[0]]
    begin = _moment(random)
    for run in range(random.randint(1, 3)):
        length = random.randrange(36) * 10 * MINUTE + random.choice([0, 1, 500_000]) * MICROSECOND
        end_is_named = random.random() < 0.7
        for kind, at, facts in _run(random, run, begin, length):
            ran_ms = facts.get("ran_ms")
            # A start without metadata is met in table dumps; the ends of a run are alike.
            is_named = end_is_named if kind in {"paused", "killed"} else random.random() < 0.7
            named = customer if is_named else None
            event = e2b(
                kind,
                at,
                sandbox,
                f"run-{run}",
                customer=named,
                event_id=f"{sandbox}-{run}-{kind}-{text_of(at)}",
                ran_ms=ran_ms,
                vcpu=vcpu,
                memory_mib=memory,
                timeout=facts.get("timeout"),
                template=template,
            )
            known = facts | {
                "sandbox": ("e2b", "team-1", sandbox),
                "run": f"run-{run}",
                "kind": kind,
                "at": at,
                "id": event["id"],
                "customer": named,
                "template": template,
            }
            yield from _delivered(random, event, at, known)
        # The next run may begin before this one has ended.
        begin += max(length + random.choice([-20, 0, 10, 180]) * MINUTE, MINUTE)


def _run(
    random: Random, run: int, begin: datetime, length: timedelta
) -> Iterator[tuple[str, datetime, dict[str, Any]]]:
    if random.random() < 0.9:
        yield ("created" if run == 0 else "resumed"), begin, {}
    for step in range(random.randrange(3)):
        at = begin + (3 * step + 1) * MINUTE
        yield "updated", at, {"timeout": at + random.randrange(1, 30) * 10 * MINUTE}
    if random.random() < 0.15:
        yield "checkpointed", begin + 2 * MINUTE, {}
    if random.random() < 0.75:
        end = begin - timedelta(milliseconds=80) if random.random() < 0.1 else begin + length
        yield random.choice(["paused", "killed"]), end, _execution(random, end - begin)
        if random.random() < 0.15:
            yield "killed", end + 7 * MINUTE, _execution(random, end - begin)


def _execution(random: Random, length: timedelta) -> dict[str, Any]:
    if random.random() < 0.15:
        return {}
    measured = length // timedelta(milliseconds=1)
    return {"ran_ms": max(0, random.choice([measured, measured - 1500, measured + 400, 0]))}


def _delivered(random: Random, event: Row, at: datetime, facts: dict[str, Any]) -> Iterator[Told]:
    if random.random() < 0.2:
        yield Told("e2b", event, at, facts)
    received_at = at + random.choice([timedelta(seconds=1), 3 * MINUTE, 5 * HOUR, 30 * HOUR])
    yield Told("e2b", capture(event, received_at), received_at, facts)
    if random.random() < 0.15:
        again = received_at + timedelta(seconds=10)
        yield Told("e2b", capture(event, again, "d-2"), again, facts)


def _scaled_sandbox(random: Random, number: int) -> Iterator[Told]:
    sandbox, customer = f"o-{number % 5}", _owner(random)
    for step in range(random.randint(1, 3)):
        memory = random.choice([1024, 4096, 8192, 2048])
        percent, disk = random.choice([100, 50]), random.choice([20480, 40960])
        identity = f"se-{number}-{step}"
        start = _moment(random)
        facts = {
            "sandbox": ("opencomputer", f"org-{customer}", sandbox),
            "run": identity,
            "customer": customer,
            "start": start,
            "size": (TIERS.get(memory, Decimal(percent) / 100), memory, disk, 0),
        }
        for end in _states(random, start):
            row = scale_event(
                identity, customer, sandbox, start, end, memory_mib=memory, cpu_percent=percent,
                diskMB=disk,
            )  # fmt: skip
            known_at = max(start, end or start)
            yield Told("opencomputer/scale_events", row, known_at, facts | {"end": end})


def _metered_sandbox(random: Random, number: int) -> Iterator[Told]:
    sandbox, customer = f"d-{number % 5}", _owner(random)
    # A period is known by its start; sandboxes repeat, so an odd part keeps their starts apart.
    starts = {_moment(random) + (10 + number) * MICROSECOND for _ in range(random.randint(1, 4))}
    for start in starts:
        cpu, mem = random.choice([(1, 0.5), (2, 4), (1.5, 1), (0, 0)])
        disk = random.choice([8, 10])
        facts = {
            "sandbox": ("daytona", f"org-{customer}", sandbox),
            "run": text_of(start),
            "customer": customer,
            "start": start,
            "size": (Decimal(str(cpu)), int(mem * 1024), disk * 1024, 0),
        }
        for end in _states(random, start):
            row = period(
                customer, sandbox, start, end, cpu=cpu, mem=mem, disk=disk,
                row_id=str(random.random()),
            )  # fmt: skip
            known_at = max(start, end or start)
            yield Told("daytona/usage_periods", row, known_at, facts | {"end": end})


def _leased_machine(random: Random, number: int) -> Iterator[Told]:
    machine, customer = f"m-{number}", random.choice(["ann", "moved", "stranger", "eve"])
    # An account id is a reference by itself; the others need their link.
    reference = customer if customer == "eve" else f"fleet-{customer}"
    for step in range(random.randint(1, 3)):
        identity, start = f"r-{number}-{step}", _moment(random)
        vcpu = random.choice([Decimal("0.5"), Decimal(3), Decimal("0.333333")])
        memory, disk, gpu = (
            random.choice([1, 1536]),
            random.choice([0, 3, 10240]),
            random.choice([0, 2]),
        )
        facts = {
            "sandbox": ("foundry", reference, machine),
            "run": identity,
            "customer": customer,
            "start": start,
            "size": (vcpu, memory, disk, gpu),
        }
        for end in _states(random, start):
            row = interval(
                identity, reference, machine, start, end, vcpu=str(vcpu), memory_mib=memory,
                disk_mib=disk, gpu=gpu or "",
            )  # fmt: skip
            known_at = max(start, end or start)
            yield Told("intervals", row, known_at, facts | {"end": end})


def _states(random: Random, start: datetime) -> list[datetime | None]:
    """The ends that the dumps tell of one record: still open, closed, closed later, told again."""
    end = start + random.randrange(1, 60) * 10 * MINUTE + random.choice([0, 7]) * MICROSECOND
    later = end + 5 * MINUTE
    states: list[datetime | None] = random.choice(
        [[None], [None, end], [end], [end, later], [None, end, end], [start - MICROSECOND]]
    )
    return states


def make_sales(random: Random, label: str) -> list[Told]:
    """Records of quantities/ and events, some of shops, whose ids begin with the label."""
    told: list[Told] = []
    for account in [*(f"sold-{number}" for number in range(SALES_ACCOUNTS)), *SHOPS]:
        for number in range(random.randrange(4)):
            at = FIRST_DAY + random.randrange(-10 * 24 * 60, 5 * 24 * 60) * MINUTE
            told.append(_sale(random, f"{label}/{account}/{number}", account, at))
    return told


def _sale(random: Random, record_id: str, account: str, at: datetime) -> Told:
    amount = str(Decimal(random.randrange(1, 150_000)).scaleb(-2))
    meter = random.choice([*ROUNDED, "paid"])
    facts = {"id": record_id, "is_replaceable": meter != "paid"}
    if meter != "paid":
        row = quantity(record_id, account, meter, amount, at, at + MINUTE)
        return Told("quantities", row, at + MINUTE, facts)
    event = {
        "specversion": "1.0",
        "id": record_id,
        "source": "shop",
        "type": PAID,
        "subject": account,
        "time": text_of(at),
        "data": {"paid": amount, "cost": random.choice(["0.25", "3.333", "70"])},
    }
    return Told("cloudevents", event, at, facts)


def correct_some(random: Random, sales: Sequence[Told], as_of: datetime) -> list[Row]:
    """Lines of corrections.csv about some sales: most of them void, others replaced."""
    return [
        {
            "correction_id": f"{told.facts['id']}/{text_of(as_of)}",
            "record_id": told.facts["id"],
            "action": "replace" if is_replaced else "void",
            "quantity": str(random.randrange(1000)) if is_replaced else "",
            "reason": "wrong",
            "requested_by": "Ada",
            "requested_at": text_of(as_of - random.randrange(60) * MINUTE),
        }
        for told in random.sample(list(sales), 30)
        for is_replaced in [told.facts["is_replaceable"] and random.random() < 0.4]
    ]


# --- What they come to ----------------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """A stretch of constant size of one sandbox, before it is given to accounts."""

    customer: str | None
    start: datetime
    end: datetime
    size: tuple[Any, int | None, int | None, Any]
    is_observed: bool


Key = tuple[str, str, str]


def expected_days(told: Iterable[Told], as_of: datetime) -> dict[Key, tuple[Decimal, Decimal]]:
    """Quantity and inferred quantity of each account, meter and UTC day, as of an instant."""
    totals: dict[Key, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for account, start, end, stretch in _owned(stretches(told, as_of)):
        for day, part in _by_day(start, end):
            for meter, amount in _measured(stretch.size, part // MICROSECOND):
                total = totals[account, meter, day]
                total[0] += amount
                total[1] += 0 if stretch.is_observed else amount
    return {key: (total[0], total[1]) for key, total in totals.items()}


def expected_months(told: Iterable[Told], as_of: datetime) -> dict[tuple[str, str], int]:
    """Microseconds of each account by the calendar month of its zone, as of an instant."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for account, start, end, stretch in _owned(stretches(told, as_of)):
        if account == NOBODY or not _runs(stretch.size):
            continue
        border = datetime(2026, 8, 1, tzinfo=ZoneInfo(ZONES[account])).astimezone(UTC)
        for month, part in (
            ("2026-07", min(end, border) - start),
            ("2026-08", end - max(start, border)),
        ):
            if part > timedelta(0):
                totals[account, month] += part // MICROSECOND
    return totals


def stretches(told: Iterable[Told], as_of: datetime) -> Iterator[Stretch]:
    """The stretches of every sandbox, as of an instant."""
    known = [each for each in told if each.known_at <= as_of]
    events = [each.facts for each in known if each.source == "e2b"]
    by_sandbox: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for facts in events:
        by_sandbox[facts["sandbox"]].append(facts)
    for own in by_sandbox.values():
        yield from _e2b_stretches(own, events, as_of)
    # The newest known state of each record: the one with the latest end; an open one is oldest.
    newest: dict[Any, tuple[datetime, dict[str, Any]]] = {}
    for each in known:
        if each.source != "e2b":
            key = (*each.facts["sandbox"], each.facts["run"])
            if (
                key not in newest
                or newest[key][0] < each.known_at
                or (newest[key][0] == each.known_at and each.facts["end"] is not None)
            ):
                newest[key] = (each.known_at, each.facts)
    records: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for _, facts in newest.values():
        records[facts["sandbox"]].append(facts)
    for own in records.values():
        yield from _state_stretches(own, as_of)


def _state_stretches(records: list[dict[str, Any]], as_of: datetime) -> Iterator[Stretch]:
    ordered = sorted(records, key=lambda facts: (facts["start"], facts["run"]))
    for facts, following in pairwise([*ordered, None]):
        assert facts is not None
        told_end = facts["end"] or as_of
        end = min(told_end, following["start"]) if following else told_end
        is_observed = facts["end"] is not None and end == facts["end"]
        yield Stretch(facts["customer"], facts["start"], end, facts["size"], is_observed)


def _e2b_stretches(
    own: list[dict[str, Any]], everything: list[dict[str, Any]], as_of: datetime
) -> Iterator[Stretch]:
    customer = next((facts["customer"] for facts in own if facts["customer"]), None)
    begun = sorted(
        (start, run) for run in {facts["run"] for facts in own}
        if (start := _start([facts for facts in own if facts["run"] == run])) is not None
    )  # fmt: skip
    for (start, run), following in pairwise([*begun, None]):
        facts = [each for each in own if each["run"] == run]
        next_start = following[0] if following else None
        end = _first_end(facts)
        if end is not None:
            closed = min(end["at"], next_start) if next_start else end["at"]
            is_observed = closed == end["at"]
        else:
            timeouts = sorted((each["at"], each["timeout"]) for each in facts if "timeout" in each)
            limits = [next_start, timeouts[-1][1] if timeouts else None, start + 24 * HOUR, as_of]
            closed = max(start, min(limit for limit in limits if limit))
            is_observed = False
        size = _size(own, everything, start)
        yield Stretch(customer, start, closed, size, is_observed)


def _first_end(facts: list[dict[str, Any]]) -> dict[str, Any] | None:
    ends = [each for each in facts if each["kind"] in {"paused", "killed"}]
    return min(ends, key=lambda each: (each["at"], each["kind"], each["id"]), default=None)


def _start(facts: list[dict[str, Any]]) -> datetime | None:
    """Where a run begins: its end less its execution time; its start event after a checkpoint."""
    starts = [each["at"] for each in facts if each["kind"] in {"created", "resumed"}]
    end = _first_end(facts)
    checkpointed = any(each["kind"] == "checkpointed" for each in facts)
    if end is not None and "ran_ms" in end and not (checkpointed and starts):
        start: datetime = end["at"] - timedelta(milliseconds=end["ran_ms"])
        return start
    return min(starts, default=None)


def _size(
    own: list[dict[str, Any]], everything: list[dict[str, Any]], start: datetime
) -> tuple[int | None, int | None, None, int]:
    """The size that an end of the sandbox tells, else the last end of its template before."""
    template = own[0]["template"]
    by_run: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in own:
        by_run[each["run"]].append(each)
    told = any("ran_ms" in (_first_end(facts) or {}) for facts in by_run.values())
    told_before = any(
        each["template"] == template and "ran_ms" in each and each["at"] <= start
        for each in everything
    )
    if not told and not told_before:
        return None, None, None, 0
    return (*TEMPLATES[template.partition("-")[0]], None, 0)


def _owned(found: Iterable[Stretch]) -> Iterator[tuple[str, datetime, datetime, Stretch]]:
    for stretch in found:
        customer = stretch.customer or ""
        owners = OWNERS.get(customer, [(customer if customer in ZONES else NOBODY, None, None)])
        for account, since, until in owners:
            start = max(stretch.start, since) if since else stretch.start
            end = min(stretch.end, until) if until else stretch.end
            if start < end:
                yield account, start, end, stretch


def _by_day(start: datetime, end: datetime) -> Iterator[tuple[str, timedelta]]:
    while start < end:
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=1)
        until = min(end, midnight)
        yield f"{start:%Y-%m-%d}", until - start
        start = until


def _runs(size: tuple[Any, ...]) -> bool:
    """Whether a sandbox of that size runs: with neither vCPU nor memory only its disk counts."""
    return size[:2] != (0, 0)


def _measured(size: tuple[Any, ...], microseconds: int) -> Iterator[tuple[str, Decimal]]:
    seconds = Decimal(microseconds).scaleb(-6)
    vcpu, memory, disk, gpu = size
    factors = {
        "seconds": 1 if _runs(size) else 0,
        "cpu_core_seconds": vcpu,
        "ram_gibi_seconds": Decimal(memory) / 1024 if memory else None,
        "ssd_gibi_seconds": Decimal(disk) / 1024 if disk else None,
        "gpu_core_seconds": gpu,
    }
    for meter, measure in MEASURES.items():
        factor = factors[measure]
        if factor:
            yield meter, seconds * factor
