"""Billing once usage reaches a plan's threshold, each figure worked out by hand (DECISIONS D62)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from world import Cases, Row, World, charge, interval, meters, plan, quantity, utc, version

from dagster_project.ledger import Ledger
from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.push import PushResult, push
from dagster_project.stripe.server import StripeServer

pytestmark = pytest.mark.integration

START = "2026-08-01T00:00:00Z"
MID_MONTH = "2026-08-15T12:00:00Z"
NEXT_DAY = "2026-08-16T12:00:00Z"
MONTH_END = "2026-09-01T00:00:00Z"
LATER = "2026-09-02T12:00:00Z"
SETTLED = "2026-09-02T13:00:00Z"

CALLS = charge("calls", "calls", "0.10")
GRADUATED = {
    "tiers": [{"up_to": "1000", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.05"}]
}
PLANS = [
    plan("hundred", version(START, [CALLS], threshold_amount="100.00", base_amount="20")),
    plan(
        "tiered",
        version(
            START,
            [charge("calls", "calls", model="graduated", properties=GRADUATED)],
            threshold_amount="80",
        ),
    ),
    plan("thirty", version(START, [CALLS], threshold_amount="30")),
    plan(
        "ruled",
        version(START, [CALLS], threshold_amount="100", included_amount="50", maximum_amount="250"),
    ),
    plan("floored", version(START, [CALLS], threshold_amount="100", minimum_amount="200")),
    plan(
        "older",
        version("2026-07-01T00:00:00Z", [CALLS], threshold_amount="100", base_amount="20"),
    ),
    plan(
        "later",
        version(START, [CALLS]),
        version("2026-08-10T00:00:00Z", [CALLS], threshold_amount="50"),
    ),
    plan(
        "mixed",
        version(
            START,
            [CALLS, charge("load", "load", "10"), charge("seconds", "sandbox_seconds", "0.01")],
            threshold_amount="100",
        ),
    ),
]

case = Cases()
written = case.written


def calls(world: World, account: str, *used: tuple[str, str], number: int = 1) -> None:
    """Records of calls: when, and how many; the n-th of an account is `<account>-<n>`."""
    world.write(
        f"quantities/{account}-{number}.csv",
        [
            quantity(f"{account}-{index}", account, "calls", amount, at, at)
            for index, (at, amount) in enumerate(used, number)
        ],
    )


def account(world: World, account_id: str, plan_id: str) -> str:
    """An account with a subscription since 1 August."""
    return world.account(account_id, plan_id=plan_id, started_at=START)


def shown(moment: Any) -> str:
    return f"{moment:%m-%d %H}"


def bills(world: World, account_id: str) -> list[tuple[str, str, int, str]]:
    """The statements of August: from, to, total before credits, status."""
    rows = world.query(
        """
        select * from marts.fct_statements where account_id = ? and period = '2026-08'
        order by period_start
        """,
        account_id,
    )
    return [
        (shown(row["period_start"]), shown(row["period_end"]), row["subtotal_minor"], row["status"])
        for row in rows
    ]


def lines(world: World, account_id: str, part: int) -> list[tuple[Any, ...]]:
    """The lines of the n-th statement of August: class, quantity and amount, corrections last."""
    rows = world.query(
        """
        select lines.* from marts.fct_charges as lines
        inner join (
            select statement_id, row_number() over (order by period_start) as part
            from marts.fct_statements where account_id = ? and period = '2026-08'
        ) as parts using (statement_id)
        where part = ?
        order by charge_class = 'correction', charge_class, charge_key, plan_version
        """,
        account_id,
        part,
    )
    return [
        (row["charge_class"], row["quantity"], row["amount"])
        if row["quantity"] is not None
        else (row["charge_class"], row["amount"])
        for row in rows
    ]


def tiers(world: World, account_id: str) -> list[tuple[Any, ...]]:
    """The tiers of August's calls, statement by statement: tier, units, price, amount."""
    rows = world.query(
        """
        select tiers.* from marts.fct_charge_tiers as tiers
        inner join marts.fct_charges as lines using (charge_id)
        where lines.account_id = ? order by lines.period_start, tier_index
        """,
        account_id,
    )
    return [(row["tier_index"], row["quantity"], row["unit_amount"], row["amount"]) for row in rows]


def usage(units: str, amount: str) -> tuple[Any, ...]:
    return ("usage", Decimal(units), Decimal(amount))


def correction(units: str, amount: str) -> tuple[Any, ...]:
    return ("correction", Decimal(units), Decimal(amount))


def other(charge_class: str, amount: str) -> tuple[Any, ...]:
    return (charge_class, Decimal(amount))


def new(world: World) -> World:
    """A world with these plans and nothing else."""
    load = {"source": "events", "event_type": "com.example.load", "value": "$.load"}
    load |= {"meter_id": "load", "aggregation": "max", "unit": "load"}
    world.meters = [*meters("calls"), load]
    world.plans = PLANS
    return world


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """All cases, built in the middle of the month."""
    world = new(new_world())
    case.tell(world)
    world.build(MID_MONTH)
    return world


# --- Without approvals -----------------------------------------------------------------------


@written
def _(world: World) -> None:
    account(world, "plain", "hundred")
    calls(
        world,
        "plain",
        ("2026-08-03T10:00:00Z", "600"),
        ("2026-08-10T09:30:00Z", "500"),
        ("2026-08-10T09:59:59.999999Z", "1"),
        ("2026-08-10T10:00:00Z", "250"),
    )


def test_a_threshold_is_reached(built: World) -> None:
    """60.00 on the 3rd; by 10:00 on the 10th 110.10. The fee of 20.00 is billed at the end.

    What was used from 10:00 on is in the next part: 250 x 0.10.
    """
    assert bills(built, "plain") == [
        ("08-01 00", "08-10 10", 11_010, "closed"),
        ("08-10 10", "09-01 00", 2500 + 2000, "open"),
    ]
    assert lines(built, "plain", 1) == [usage("1101", "110.10")]
    assert lines(built, "plain", 2) == [other("base_fee", "20"), usage("250", "25")]


@written
def _(world: World) -> None:
    account(world, "below", "hundred")
    calls(world, "below", ("2026-08-03T10:00:00Z", "999.94"))


def test_a_threshold_is_not_reached(built: World) -> None:
    """99.994 is 99.99 on the line."""
    assert bills(built, "below") == [("08-01 00", "09-01 00", 9999 + 2000, "open")]


@written
def _(world: World) -> None:
    account(world, "rounded", "hundred")
    calls(world, "rounded", ("2026-08-03T10:00:00Z", "999.95"))
    account(world, "hour", "hundred")
    calls(world, "hour", ("2026-08-15T11:00:00Z", "2000"), ("2026-08-15T12:00:00Z", "7"))
    account(world, "running", "hundred")
    calls(world, "running", ("2026-08-15T11:59:00Z", "900"), ("2026-08-15T12:00:00Z", "2000"))


def test_the_line_as_it_is_rounded_counts(built: World) -> None:
    """99.995 is 100.00 on the line."""
    assert bills(built, "rounded") == [
        ("08-01 00", "08-03 11", 10_000, "closed"),
        ("08-03 11", "09-01 00", 2000, "open"),
    ]


def test_an_hour_cuts_when_it_has_ended(built: World) -> None:
    """At 12:00 the hour from 11:00 has ended, with 200.00 or 90.00; that from 12:00 has not."""
    assert bills(built, "hour") == [
        ("08-01 00", "08-15 12", 20_000, "closed"),
        ("08-15 12", "09-01 00", 70 + 2000, "open"),
    ]
    assert bills(built, "running") == [("08-01 00", "09-01 00", 29_000 + 2000, "open")]


@written
def _(world: World) -> None:
    account(world, "tiers", "tiered")
    calls(
        world,
        "tiers",
        ("2026-08-02T00:00:00Z", "500"),
        ("2026-08-05T10:20:00Z", "700"),
        ("2026-08-06T00:00:00Z", "400"),
    )


def test_tiers_run_on_through_the_parts(built: World) -> None:
    """1,000 x 0.10 + 200 x 0.05 = 110.00; then 400 x 0.05, not x 0.10."""
    assert bills(built, "tiers") == [
        ("08-01 00", "08-05 11", 11_000, "closed"),
        ("08-05 11", "09-01 00", 2000, "open"),
    ]
    assert tiers(built, "tiers") == [
        (1, 1000, Decimal("0.10"), 100),
        (2, 200, Decimal("0.05"), 10),
        (2, 400, Decimal("0.05"), 20),
    ]


@written
def _(world: World) -> None:
    account(world, "twice", "thirty")
    calls(
        world,
        "twice",
        ("2026-08-02T01:00:00Z", "350"),
        ("2026-08-03T00:00:00Z", "100"),
        ("2026-08-04T05:10:00Z", "250"),
        ("2026-08-06T00:00:00Z", "299"),
    )


def test_two_cuts_without_an_approval(built: World) -> None:
    """35.00; 10.00 + 25.00; 29.90 is below 30.00."""
    assert bills(built, "twice") == [
        ("08-01 00", "08-02 02", 3500, "closed"),
        ("08-02 02", "08-04 06", 3500, "closed"),
        ("08-04 06", "09-01 00", 2990, "open"),
    ]


@written
def _(world: World) -> None:
    account(world, "rules", "ruled")
    calls(
        world,
        "rules",
        ("2026-08-02T00:00:00Z", "1200"),
        ("2026-08-04T00:00:00Z", "500"),
        ("2026-08-06T00:00:00Z", "1000"),
    )


def test_included_amount_and_maximum_are_those_of_the_period(built: World) -> None:
    """120 - 50 = 70 is below 100; 170 - 50 = 120 is not. Then 270 is capped to 250: 80 more."""
    assert bills(built, "rules") == [
        ("08-01 00", "08-04 01", 12_000, "closed"),
        ("08-04 01", "09-01 00", 8000, "open"),
    ]
    assert lines(built, "rules", 1) == [other("included", "-50"), usage("1700", "170")]
    assert lines(built, "rules", 2) == [other("maximum_cap", "-20"), usage("1000", "100")]


@written
def _(world: World) -> None:
    account(world, "floor", "floored")
    calls(world, "floor", ("2026-08-02T00:00:00Z", "1000"), ("2026-08-10T00:00:00Z", "500"))


def test_a_preview_lacks_what_the_whole_period_lacks(built: World) -> None:
    """100 and 50 are used; to the minimum of 200 another 50 are missing."""
    assert bills(built, "floor") == [
        ("08-01 00", "08-02 01", 10_000, "closed"),
        ("08-02 01", "09-01 00", 5000, "open"),
    ]
    assert built.query(
        """
        select subtotal_minor, minimum_true_up_minor, projected_subtotal_minor
        from marts.fct_statement_previews where account_id = 'floor'
        """
    ) == [
        {
            "subtotal_minor": 5000,
            "minimum_true_up_minor": 5000,
            "projected_subtotal_minor": 10_000,
        }
    ]


@written
def _(world: World) -> None:
    account(world, "version", "later")
    calls(
        world,
        "version",
        ("2026-08-02T00:00:00Z", "450"),
        ("2026-08-09T23:59:00Z", "500"),
        ("2026-08-12T00:00:00Z", "10"),
    )


def test_the_threshold_is_that_of_the_version_in_force(built: World) -> None:
    """95.00 under a version without one; the first 1.00 under the other makes 96.00, over 50.00."""
    assert bills(built, "version") == [
        ("08-01 00", "08-12 01", 9600, "closed"),
        ("08-12 01", "09-01 00", 0, "open"),
    ]
    assert lines(built, "version", 1) == [usage("950", "95"), usage("10", "1")]


@written
def _(world: World) -> None:
    account(world, "mixed", "mixed")
    world.write(
        "cloudevents/mixed.ndjson",
        [
            {
                "specversion": "1.0",
                "id": f"load-{number}",
                "source": "app",
                "type": "com.example.load",
                "subject": "mixed",
                "time": at,
                "data": {"load": value},
            }
            for number, (at, value) in enumerate(
                [("2026-08-01T10:00:00Z", "12"), ("2026-08-14T10:00:00Z", "15")]
            )
        ],
    )
    # A cent a second, from half past nine to half past six.
    run = interval("run-1", "mixed", "box", "2026-08-03T09:30:00Z", "2026-08-03T18:30:00Z")
    world.write("intervals/mixed.csv", [run])


def test_a_run_is_cut_to_the_microsecond_and_a_maximum_waits(built: World) -> None:
    """From 09:30 on 36.00 an hour: 126.00 by 13:00, 108.00 more by 16:00, then 90.00.

    The load of 12 or 15 at 10.00 is the period's and billed in its last part.
    """
    assert bills(built, "mixed") == [
        ("08-01 00", "08-03 13", 12_600, "closed"),
        ("08-03 13", "08-03 16", 10_800, "closed"),
        ("08-03 16", "09-01 00", 9000 + 15_000, "open"),
    ]
    assert lines(built, "mixed", 2) == [usage("10800", "108")]
    assert lines(built, "mixed", 3) == [usage("15", "150"), usage("9000", "90")]


@written
def _(world: World) -> None:
    world.account(
        "delhi", plan_id="older", started_at="2026-07-31T18:30:00Z", timezone="Asia/Kolkata"
    )
    calls(
        world,
        "delhi",
        ("2026-07-31T18:45:00Z", "999"),
        ("2026-08-03T10:40:00Z", "100"),
        ("2026-08-03T11:20:00Z", "30"),
    )


def test_a_cut_is_a_full_hour_in_utc(built: World) -> None:
    """Midnight in Kolkata is 18:30 in UTC; 10:40 is before 11:00 there and after 16:00 here."""
    found = built.query(
        "select period_start, period_end, subtotal_minor from marts.fct_statements"
        " where account_id = 'delhi' order by period_start"
    )
    assert [tuple(row.values()) for row in found] == [
        (utc("2026-07-31T18:30:00"), utc("2026-08-03T11:00:00"), 10_990),
        (utc("2026-08-03T11:00:00"), utc("2026-08-31T18:30:00"), 300 + 2000),
    ]


@written
def _(world: World) -> None:
    account(world, "granted", "thirty")
    calls(
        world,
        "granted",
        ("2026-08-02T01:00:00Z", "350"),
        ("2026-08-04T05:10:00Z", "310"),
        ("2026-08-06T00:00:00Z", "100"),
    )
    for number, (amount, effective) in enumerate([("40", "2026-08-01"), ("10", "2026-08-05")]):
        world.credits.append(
            {
                "credit_id": f"granted-{number}",
                "account_id": "granted",
                "amount": amount,
                "currency": "usd",
                "category": "promotional",
                "effective_at": f"{effective}T00:00:00Z",
            }
        )


def test_credits_pay_each_part_as_it_ends(built: World) -> None:
    """35.00 of the 40.00; 5.00 of 31.00, for the 10.00 came later; 10.00 of 10.00."""
    rows = built.query(
        "select subtotal_minor, credits_minor from marts.fct_statements"
        " where account_id = 'granted' order by period_start"
    )
    assert [tuple(row.values()) for row in rows] == [(3500, 3500), (3100, 500), (1000, 1000)]


# --- As time goes by -------------------------------------------------------------------------


def test_an_hour_ends_and_nothing_new_came(new_world: Callable[[], World]) -> None:
    """110.00 since half past ten: open at 10:45, closed at 11:00, and the same if built anew."""
    world = new(new_world())
    account(world, "a", "hundred")
    calls(world, "a", ("2026-08-10T10:30:00Z", "1100"))
    whole = [("08-01 00", "09-01 00", 11_000 + 2000, "open")]
    world.build("2026-08-10T10:45:00Z")
    assert bills(world, "a") == whole
    world.build("2026-08-10T10:59:59.999999Z")
    assert bills(world, "a") == whole
    world.build("2026-08-10T11:00:00Z")
    assert bills(world, "a") == [
        ("08-01 00", "08-10 11", 11_000, "closed"),
        ("08-10 11", "09-01 00", 2000, "open"),
    ]
    before = world.digests()
    world.build("2026-08-10T11:00:00Z", full_refresh=True)
    assert world.digests() == before


def test_an_approved_part_stands_without_its_threshold(new_world: Callable[[], World]) -> None:
    """The threshold is 300.00 by now: 110.00 stay, the rest of 250.00 is below it."""
    world = new(new_world())
    account(world, "a", "hundred")
    calls(world, "a", ("2026-08-10T10:30:00Z", "1100"), ("2026-08-10T12:30:00Z", "2500"))
    world.build("2026-08-10T12:00:00Z")
    (approval,) = world.approve("2026-08", "2026-08-10T12:00:00Z", ["a"])
    assert approval.total_minor == 11_000
    world.plans = [plan("hundred", version(START, [CALLS], threshold_amount="300"))]
    world.build("2026-08-20T00:00:00Z")
    assert bills(world, "a") == [
        ("08-01 00", "08-10 11", 11_000, "approved"),
        ("08-10 11", "09-01 00", 25_000, "open"),
    ]
    world.plans = [plan("hundred", version(START, [CALLS], threshold_amount="200"))]
    world.build("2026-08-20T00:00:00Z")
    assert bills(world, "a") == [
        ("08-01 00", "08-10 11", 11_000, "approved"),
        ("08-10 11", "08-10 13", 25_000, "closed"),
        ("08-10 13", "09-01 00", 0, "open"),
    ]
    world.plans = [plan("hundred", version(START, [CALLS]))]
    world.build("2026-08-20T00:00:00Z")
    assert bills(world, "a") == [
        ("08-01 00", "08-10 11", 11_000, "approved"),
        ("08-10 11", "09-01 00", 25_000, "open"),
    ]


def test_an_approved_month_begins_a_year(new_world: Callable[[], World]) -> None:
    """100 calls of August at 0.10, a year at 0.08 by now: 2.00 less, and 50 calls of September."""
    world = new(new_world())
    world.plans = [
        plan("monthly", version(START, [CALLS])),
        plan(
            "yearly",
            version(START, [CALLS | {"properties": {"unit_amount": "0.08"}}], interval="year"),
        ),
    ]
    world.account("a", plan_id="monthly", started_at=START, anchor="2026-08-01")
    calls(world, "a", ("2026-08-10T00:00:00Z", "100"), ("2026-09-01T00:00:00Z", "50"))
    world.build(LATER)
    world.approve("2026-08", LATER)
    world.subscriptions[0]["plan_id"] = "yearly"
    world.build("2026-09-03T00:00:00Z")
    assert [row[2:] for row in bills(world, "a")] == [(1000, "approved"), (400 - 200, "open")]
    before = world.digests()
    world.build("2026-09-03T00:00:00Z", full_refresh=True)
    assert world.digests() == before


# --- Approved before the month ends ----------------------------------------------------------


class Story:
    """Statements before corrections, correction lines, statements after them, day by day."""

    def __init__(self, world: World, server: StripeServer) -> None:
        self.world = new(world)
        self.server = server
        self.bills: dict[tuple[str, str], Any] = {}
        self.second: dict[tuple[str, str], Any] = {}
        self.pushed: dict[str, PushResult] = {}
        self.held: dict[str, dict[tuple[str, str], Decimal]] = {}
        self.differences: dict[str, list[Row]] = {}
        self.accounts = ("plain", "late", "voided", "undone", "floor")

    def tell(self) -> None:
        """Five accounts, all over their threshold by the 10th."""
        for name in self.accounts:
            account(self.world, name, "floored" if name == "floor" else "hundred")
            calls(
                self.world,
                name,
                ("2026-08-03T10:00:00Z", "600"),
                ("2026-08-10T09:30:00Z", "500"),
                ("2026-08-12T09:30:00Z", "250"),
            )

    def void(self, *records: str) -> None:
        """Ask for records not to count."""
        self.world.write(
            "corrections.csv",
            [
                {
                    "correction_id": f"c-{record}",
                    "record_id": record,
                    "action": "void",
                    "quantity": "",
                    "reason": "wrong",
                    "requested_by": "Ada",
                    "requested_at": "2026-08-14T00:00:00Z"
                    if index == 0
                    else "2026-08-16T00:00:00Z",
                }
                for index, record in enumerate(records)
            ],
        )

    def build(self, day: str, now: str) -> None:
        """Build and remember what each account has."""
        self.world.build(now)
        for name in self.accounts:
            self.bills[day, name] = bills(self.world, name)
            self.second[day, name] = lines(self.world, name, 2)
        self.differences[day] = self.world.query("select * from marts.fct_discrepancies")

    def push(self, day: str, now: str) -> None:
        """Push what is approved to the local server."""
        self.server.set_now(utc(now))
        settings = self.world.settings(utc(now))
        ledger = Ledger(settings.ledger_url)
        try:
            self.pushed[day] = push(
                ledger,
                stripe_client(self.server.environment(), read_timeout=5),
                utc(now),
                period="2026-08",
                home=settings.home,
                create_meters=True,
                workers=1,
                calls_per_second=1000,
                sleep=lambda seconds: None,
            )
        finally:
            ledger.close()
        self.held[day] = self.server.totals()


@pytest.fixture(scope="module")
def story(new_world: Callable[[], World]) -> Iterator[Story]:
    """The month as it goes by."""
    with StripeServer() as server:
        told = Story(new_world(), server)
        told.tell()
        server.add_customers([f"cus_{name}" for name in told.accounts])
        # Asked for before anything is approved.
        told.void("undone-2")
        told.build("before", MID_MONTH)
        told.world.approve("2026-08", MID_MONTH)
        told.push("before", MID_MONTH)
        told.build("approved", "2026-08-15T13:00:00Z")
        calls(told.world, "late", ("2026-08-09T00:00:00Z", "300"), number=4)
        told.void("undone-2", "voided-1")
        told.build("corrected", NEXT_DAY)
        told.build("month end", LATER)
        told.world.approve("2026-08", LATER)
        told.push("month end", LATER)
        told.push("again", LATER)
        told.build("settled", SETTLED)
        yield told


FIRST = ("08-01 00", "08-10 10", 11_000)


def test_what_has_ended_is_approved_before_the_month_ends(story: Story) -> None:
    """Before: 110.00 closed and 25.00 + 20.00 open. Approved: the first part alone."""
    rest = ("08-10 10", "09-01 00", 4500, "open")
    assert story.bills["before", "plain"] == [(*FIRST, "closed"), rest]
    assert story.bills["approved", "plain"] == [(*FIRST, "pushed"), rest]
    closed = ("08-10 10", "09-01 00", 4500, "closed")
    assert story.bills["month end", "plain"] == [(*FIRST, "pushed"), closed]
    assert story.bills["settled", "plain"] == [
        (*FIRST, "pushed"),
        ("08-10 10", "09-01 00", 4500, "pushed"),
    ]


def test_late_usage_is_corrected_on_the_next_part(story: Story) -> None:
    """300 of the 9th would have reached the threshold later: the approved cut stands.

    Before 25.00 + 20.00, the correction 30.00, after 75.00.
    """
    assert story.second["approved", "late"] == [other("base_fee", "20"), usage("250", "25")]
    assert story.second["corrected", "late"] == [
        other("base_fee", "20"),
        usage("250", "25"),
        correction("300", "30"),
    ]
    assert story.bills["corrected", "late"] == [
        (*FIRST, "pushed"),
        ("08-10 10", "09-01 00", 7500, "open"),
    ]


def test_a_void_before_the_approval_undoes_the_cut(story: Story) -> None:
    """60.00 + 25.00 + 20.00 in one statement."""
    assert story.bills["before", "undone"] == [("08-01 00", "09-01 00", 10_500, "open")]
    assert story.bills["settled", "undone"] == [("08-01 00", "09-01 00", 10_500, "pushed")]


def test_a_void_after_the_approval_is_a_correction(story: Story) -> None:
    """50.00 are below the threshold by now; 60.00 are given back: 25.00 + 20.00 - 60.00."""
    assert story.second["corrected", "voided"] == [
        other("base_fee", "20"),
        usage("250", "25"),
        correction("-600", "-60"),
    ]
    assert story.bills["corrected", "voided"] == [
        (*FIRST, "pushed"),
        ("08-10 10", "09-01 00", -1500, "open"),
    ]


def test_a_minimum_is_owed_in_the_last_part(story: Story) -> None:
    """110.00 + 25.00 are 65.00 below 200.00, once the period has ended."""
    assert story.bills["corrected", "floor"] == [
        (*FIRST, "pushed"),
        ("08-10 10", "09-01 00", 2500, "open"),
    ]
    assert story.second["month end", "floor"] == [
        other("minimum_true_up", "65"),
        usage("250", "25"),
    ]


def test_stripe_gets_each_part_once(story: Story) -> None:
    """1,100 calls mid-month; at its end the 250, 250 + 300, 250 - 600 and 600 + 250."""
    first = {
        (f"cus_{name}", "calls"): Decimal(1100) for name in ("plain", "late", "voided", "floor")
    }
    assert story.held["before"] == first
    assert story.held["month end"] == {
        ("cus_plain", "calls"): Decimal(1350),
        ("cus_late", "calls"): Decimal(1650),
        ("cus_voided", "calls"): Decimal(750),
        ("cus_floor", "calls"): Decimal(1350),
        ("cus_undone", "calls"): Decimal(850),
    }
    assert story.held["again"] == story.held["month end"]
    sent = [story.pushed[day].sent for day in ("before", "month end", "again")]
    assert sent == [4, 5, 0]


def test_an_event_is_stamped_within_its_part(story: Story) -> None:
    """One second before the cut, and one before the month's end (DECISIONS D24)."""
    stamps = {event.timestamp for event in story.server.meter_events()}
    assert stamps == {
        int(utc("2026-08-10T09:59:59Z").timestamp()),
        int(utc("2026-08-31T23:59:59Z").timestamp()),
    }


def test_an_approved_part_and_an_open_rest_are_no_difference(story: Story) -> None:
    """Only what came to be known after the approval is one, until the rest is approved too."""
    assert story.differences["approved"] == []
    named = [
        (row["account_id"], row["leg"], row["cause"], row["quantity_delta"])
        for row in story.differences["corrected"]
    ]
    assert sorted(named) == [
        ("late", "warehouse_pushed", "usage_after_approval", Decimal(-300)),
        ("voided", "warehouse_pushed", "usage_after_approval", Decimal(600)),
    ]
    assert story.differences["settled"] == []


def test_a_full_refresh_tells_the_same(story: Story) -> None:
    before = story.world.digests()
    story.world.build(SETTLED, full_refresh=True)
    assert story.world.digests() == before
