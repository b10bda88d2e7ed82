"""Billing periods of random subscriptions, compared with Python's own calendar and time zones.

Each example is a landing zone of hundreds of accounts, each with its own zone, anchor, interval,
trial and up to three subscriptions one after the other.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from world import World, plan, text_of, utc, version

pytestmark = pytest.mark.integration

ACCOUNTS = 400
AS_OF = utc("2027-03-05T12:34:56")
FIRST = utc("2023-11-01")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # half hours
    "America/Santiago",  # the clocks change at midnight, so that a day has none
    "Australia/Lord_Howe",  # they change by half an hour
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Etc/GMT+12",
)
# Seven divides no month: the parts of such a fee never end after 18 places.
FEES = {"month": 7, "year": 77}
BOOK_START = "2020-01-01T00:00:00Z"


@dataclass(frozen=True)
class Customer:
    """An account: its calendar, and the instants at which its subscriptions begin and end."""

    account_id: str
    zone: ZoneInfo
    interval: str
    anchor: str
    anchor_local: datetime
    edges: list[datetime]
    trial_end: datetime


def midnight(year: int, month: int, day: int) -> datetime:
    """A midnight on the wall, of no zone."""
    return datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T00:00:00")


def calendar_start(moment: datetime, zone: ZoneInfo, interval: str) -> datetime:
    """Where the calendar month or year of an instant begins, on the wall."""
    local = moment.astimezone(zone)
    return midnight(local.year, local.month if interval == "month" else 1, 1)


def make_customer(random: Random, number: int) -> Customer:
    """A random one; anchors favour the ends of months and the hours at which clocks change."""
    zone = ZoneInfo(random.choice(ZONES))
    interval = random.choice(["month", "month", "year"])
    seconds = int((AS_OF - FIRST).total_seconds())
    edges = sorted(
        FIRST + timedelta(seconds=random.randrange(seconds), microseconds=random.choice([0, 1, 7]))
        for _ in range(random.choice([1, 2, 3, 4]))
    )
    if len(edges) == 1:
        edges.append(edges[0] + timedelta(days=4000))
    date = random.choice(
        [
            midnight(2024, 2, 29),
            midnight(2022, random.choice([1, 10, 12]), random.choice([25, 29, 30, 31])),
            midnight(2025, random.choice([3, 9]), random.choice([28, 29, 30])),
            midnight(2028, random.choice([2, 4, 11]), random.choice([1, 15, 28])),
        ]
    )
    day = random.choice([1, 15, 28, 29, 30, 31])
    wall = date + timedelta(hours=random.choice([0, 1, 2, 3, 23]), minutes=random.choice([0, 30]))
    instant = to_utc(wall, zone)
    anchor, anchor_local = random.choice(
        [
            ("", calendar_start(edges[0], zone, interval)),
            (str(day), midnight(2000, 1, day)),
            (f"{date:%Y-%m-%d}", date),
            (text_of(instant), instant.astimezone(zone).replace(tzinfo=None)),
            (text_of(instant), instant.astimezone(zone).replace(tzinfo=None)),
        ]
    )
    trial = random.choice([timedelta(0), (edges[1] - edges[0]) / 2, timedelta(days=9)])
    trial_end = min(edges[0] + trial, edges[1])
    return Customer(f"c{number}", zone, interval, anchor, anchor_local, edges, trial_end)


def to_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """A time on the wall as an instant: of one that comes twice the second, of one that the clocks
    leave out what it would have been without the change.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    exists = second.astimezone(zone).replace(tzinfo=None) == wall
    return second if exists else first


def edge(customer: Customer, number: int) -> datetime:
    """Where the period with this number begins, counted from the anchor."""
    months = number * (12 if customer.interval == "year" else 1)
    anchor = customer.anchor_local
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return to_utc(anchor.replace(year=year, month=month + 1, day=day), customer.zone)


def expected_periods(customer: Customer, start: datetime, end: datetime) -> list[tuple[str, ...]]:
    """Start and end of each statement of a subscription, and the month that names it."""
    months = 12 if customer.interval == "year" else 1
    number = (start.year - customer.anchor_local.year - 2) * 12 // months
    found = []
    while (begin := edge(customer, number)) < end and begin <= AS_OF:
        stop = edge(customer, number + 1)
        if stop > start and max(begin, start) <= AS_OF:
            found.append(
                (text_of(begin), text_of(stop), f"{begin.astimezone(customer.zone):%Y-%m}")
            )
        number += 1
    return found


def prorated(fee: int, part: timedelta, whole: timedelta) -> Decimal:
    """The fee of a part, rounded half up at 18 places."""
    microsecond = timedelta(microseconds=1)
    part_us, whole_us = part // microsecond, whole // microsecond
    units = (2 * fee * 10**18 * part_us + whole_us) // (2 * whole_us)
    return Decimal(units).scaleb(-18)


def few(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many examples, the same in every run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@few(3)
@given(random=st.randoms(use_true_random=True))
def test_periods_tile_time_and_parts_of_a_fee_add_up(
    new_world: Callable[[], World], random: Random
) -> None:
    world = new_world()
    world.plans = [
        plan(
            interval,
            *(
                version(begin, [], interval=interval, base_amount=str(fee))
                for begin in (BOOK_START, "2025-03-29T01:30:00Z", "2025-03-31T23:59:59Z")
            ),
        )
        for interval, fee in FEES.items()
    ]
    customers = [make_customer(random, number) for number in range(ACCOUNTS)]
    expected = {}
    for customer in customers:
        world.account(customer.account_id, timezone=customer.zone.key, plan_id=None, links=False)
        for index in range(len(customer.edges) - 1):
            start, end = customer.edges[index : index + 2]
            if start == end:
                continue
            world.subscribe(
                customer.account_id,
                customer.interval,
                text_of(start),
                text_of(end),
                customer.anchor,
                text_of(customer.trial_end) if index == 0 else "",
            )
            subscription = world.subscriptions[-1]["subscription_id"]
            if not customer.anchor:
                local = calendar_start(start, customer.zone, customer.interval)
                customer = replace(customer, anchor_local=local)
            expected[subscription] = expected_periods(customer, start, end)
    world.build(AS_OF)

    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in world.query("select * from marts.fct_statements order by period_start"):
        found[row["subscription_id"]].append(
            (text_of(row["period_start"]), text_of(row["period_end"]), row["period"])
        )
    wrong = [key for key in expected if found[key] != expected[key]]
    assert not wrong, [(key, found[key], expected[key]) for key in wrong[:2]]
    assert sum(len(periods) for periods in expected.values()) > ACCOUNTS

    # The parts of a fee, over all subscriptions and versions that share a period: from the end of
    # the trial to the end of the last subscription.
    parts: dict[tuple[str, datetime, datetime], Decimal] = defaultdict(Decimal)
    for row in world.query("select * from marts.fct_charges where charge_class = 'base_fee'"):
        parts[row["account_id"], row["period_start"], row["period_end"]] += row["amount"]
    by_id = {customer.account_id: customer for customer in customers}
    owed = {}
    for account_id, begin, stop in {
        (row["account_id"], row["period_start"], row["period_end"])
        for row in world.query("select * from marts.fct_statements")
    }:
        customer = by_id[account_id]
        since = min(max(begin, customer.trial_end), stop)
        until = max(min(stop, customer.edges[-1]), since)
        fee = FEES[customer.interval]
        owed[account_id, begin, stop] = prorated(fee, until - begin, stop - begin) - prorated(
            fee, since - begin, stop - begin
        )
    assert {key: value for key, value in owed.items() if value} == {
        key: value for key, value in parts.items() if value
    }
