"""Billing periods and what is prorated over them, each figure worked out by hand.

All cases live in one landing zone and are built once, as of 2026-11-10. `@written` marks what a
case puts there; the test below it says what follows. A page costs one dollar unless the plan says
otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from world import START, Cases, Row, World, charge, meters, plan, quantity, utc, version

from dagster_project.ledger import Ledger
from dagster_project.lib import billing
from dagster_project.stripe.planning import intents_for, needs

pytestmark = pytest.mark.integration

AS_OF = "2026-11-10T00:00:00Z"

PAGES = charge("pages", "pages", "1")
PLANS = [
    plan("paged", version(START, [PAGES])),
    # 120 a year less 20 percent is 96.
    plan(
        "yearly",
        version(
            "2024-01-01T00:00:00Z",
            [PAGES],
            interval="year",
            base_amount="120",
            annual_discount_percent="20",
        ),
    ),
    # A dollar for each day of a month of 31.
    plan("daily", version(START, [PAGES], base_amount="31")),
    plan("small", version(START, [PAGES], base_amount="30")),
    plan("large", version(START, [charge("pages", "pages", "2")], base_amount="60")),
    plan(
        "rules",
        version(
            START,
            [
                PAGES | {"included_quantity": "10"},
                charge("peak", "peak", "1"),
                charge("users", "users", "1"),
            ],
            base_amount="31",
            minimum_amount="40",
        ),
    ),
    # The same fee of 10, published three times within July.
    plan(
        "republished",
        version(START, [PAGES], base_amount="10"),
        version("2026-07-11T00:00:00Z", [PAGES], base_amount="10"),
        version("2026-07-21T00:00:01Z", [PAGES], base_amount="10"),
    ),
    plan("late", version("2026-07-15T00:00:00Z", [PAGES], base_amount="31")),
]
EVENTS = [
    {"meter_id": "peak", "event_type": "load", "aggregation": "max", "value": "$.level"},
    {"meter_id": "users", "event_type": "login", "aggregation": "unique_count", "value": "$.user"},
]

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    world.meters = meters("pages") + [
        meter | {"source": "events", "unit": "unit", "stripe_event_name": meter["meter_id"]}
        for meter in EVENTS
    ]
    world.plans += PLANS
    CASES.tell(world)
    world.build(AS_OF)
    return world


def pages(world: World, account: str, *used: tuple[str, str]) -> None:
    """Measured pages of an account: instant and number."""
    rows = [
        quantity(f"{account}-{at}", account, "pages", number, at, utc(at) + timedelta(seconds=1))
        for at, number in used
    ]
    world.write(f"quantities/{account}.csv", rows)


def event(event_id: str, account: str, kind: str, at: str, **data: Any) -> Row:
    """A CloudEvent of an account."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "test",
        "type": kind,
        "subject": account,
        "time": at,
        "data": data,
    }


def periods(world: World, account: str) -> list[tuple[str, str]]:
    """The statements of an account in order: the month that names each, and when it begins."""
    rows = world.query(
        "select * from marts.fct_statements where account_id = ? order by period_start", account
    )
    for before, after in pairwise(rows):
        assert before["period_end"] == after["period_start"]
    return [(row["period"], text(row["period_start"])) for row in rows]


def text(moment: datetime) -> str:
    """An instant to the minute, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def charged(world: World, account: str, **where: Any) -> list[tuple[str, str, int]]:
    """The lines of an account: month of the statement, charge, minor units."""
    return [
        (line["statement_period"], line["charge_key"], line["amount_minor"])
        for line in world.lines(account, **where)
    ]


def issues(world: World, subscription: str) -> list[tuple[str, str, str | None]]:
    """What is wrong with a subscription: the issue, from when and until when."""
    rows = world.query(
        "select * from marts.fct_usage_issues where provider = 'subscriptions'"
        " and execution_id = ? order by issue",
        subscription,
    )
    return [
        (row["issue"], text(row["started_at"]), row["ended_at"] and text(row["ended_at"]))
        for row in rows
    ]


# --- Where periods begin ---------------------------------------------------------------------


@written
def _(world: World) -> None:
    world.account("month-end", plan_id="daily", started_at="2026-01-31T00:00:00Z", anchor="31")


def test_the_31st_is_the_last_day_of_a_shorter_month(built: World) -> None:
    assert periods(built, "month-end") == [
        ("2026-01", "2026-01-31T00:00"),
        ("2026-02", "2026-02-28T00:00"),
        ("2026-03", "2026-03-31T00:00"),
        ("2026-04", "2026-04-30T00:00"),
        ("2026-05", "2026-05-31T00:00"),
        ("2026-06", "2026-06-30T00:00"),
        ("2026-07", "2026-07-31T00:00"),
        ("2026-08", "2026-08-31T00:00"),
        ("2026-09", "2026-09-30T00:00"),
        ("2026-10", "2026-10-31T00:00"),
    ]
    # Every period is whole, whatever its length.
    assert {minor for _, _, minor in charged(built, "month-end")} == {3100}


@written
def _(world: World) -> None:
    world.account(
        "leap-month", plan_id="paged", started_at="2026-02-01T00:00:00Z", anchor="2024-02-29"
    )
    world.account(
        "leap-year", plan_id="yearly", started_at="2024-01-01T00:00:00Z", anchor="2024-02-29"
    )


def test_29_february_each_month(built: World) -> None:
    assert periods(built, "leap-month")[:4] == [
        ("2026-01", "2026-01-29T00:00"),
        ("2026-02", "2026-02-28T00:00"),
        ("2026-03", "2026-03-29T00:00"),
        ("2026-04", "2026-04-29T00:00"),
    ]


def test_29_february_each_year(built: World) -> None:
    assert periods(built, "leap-year") == [
        ("2023-02", "2023-02-28T00:00"),
        ("2024-02", "2024-02-29T00:00"),
        ("2025-02", "2025-02-28T00:00"),
        ("2026-02", "2026-02-28T00:00"),
    ]
    # 2023-02-28 to 2024-02-29 has 366 days, of which 1 January to 28 February are 59:
    # 96 * 59 / 366 = 15.4754...
    assert charged(built, "leap-year") == [
        ("2023-02", "base_fee", 1548),
        ("2024-02", "base_fee", 9600),
        ("2025-02", "base_fee", 9600),
        ("2026-02", "base_fee", 9600),
    ]


@written
def _(world: World) -> None:
    world.account(
        "spring",
        plan_id="paged",
        timezone="Europe/Berlin",
        started_at="2026-01-29T01:30:00Z",
        anchor="2026-01-29T01:30:00Z",
    )
    world.account(
        "autumn",
        plan_id="paged",
        timezone="Europe/Berlin",
        started_at="2026-08-25T00:30:00Z",
        anchor="2026-01-25T01:30:00Z",
    )
    world.account(
        "berlin",
        plan_id="daily",
        timezone="Europe/Berlin",
        started_at="2026-02-28T23:00:00Z",
    )
    world.subscriptions[-1]["ended_at"] = "2026-03-29T01:00:00Z"


def test_a_time_of_day_that_the_clocks_leave_out_is_an_hour_later(built: World) -> None:
    """02:30 in Berlin is 01:30 UTC, on 29 March 03:30 there (01:30 UTC), then 00:30 UTC."""
    assert periods(built, "spring")[:4] == [
        ("2026-01", "2026-01-29T01:30"),
        ("2026-02", "2026-02-28T01:30"),
        ("2026-03", "2026-03-29T01:30"),
        ("2026-04", "2026-04-29T00:30"),
    ]


def test_of_a_time_of_day_that_comes_twice_it_is_the_second(built: World) -> None:
    """On 25 October 02:30 comes at 00:30 and at 01:30 UTC."""
    assert periods(built, "autumn") == [
        ("2026-08", "2026-08-25T00:30"),
        ("2026-09", "2026-09-25T00:30"),
        ("2026-10", "2026-10-25T01:30"),
    ]


def test_a_month_in_which_the_clocks_change_is_an_hour_shorter(built: World) -> None:
    """Berlin's March has 743 hours; until 29 March 01:00 UTC are 28 * 24 + 2 = 674 of them.

    31 * 674 / 743 = 28.1211...
    """
    assert charged(built, "berlin") == [("2026-03", "base_fee", 2812)]


@written
def _(world: World) -> None:
    world.account(
        "far-east", plan_id="yearly", timezone="Pacific/Kiritimati", started_at="2025-06-30T10:00Z"
    )
    world.account(
        "far-west",
        plan_id="paged",
        timezone="Etc/GMT+12",
        started_at="2026-01-31T12:00:00Z",
        anchor="2026-01-31T23:30:00-12:00",
    )
    pages(world, "far-west", ("2026-02-10T00:00:00Z", "7"))


def test_zones_beyond_twelve_hours(built: World) -> None:
    """Kiritimati is 14 hours ahead: its year begins on 31 December 10:00 UTC.

    Of the 365 days of 2025 there, 1 July to 31 December are 184: 96 * 184 / 365 = 48.3945...
    """
    assert periods(built, "far-east") == [
        ("2025-01", "2024-12-31T10:00"),
        ("2026-01", "2025-12-31T10:00"),
    ]
    assert charged(built, "far-east") == [
        ("2025-01", "base_fee", 4839),
        ("2026-01", "base_fee", 9600),
    ]
    # 12 hours behind, 31 January 23:30 is 1 February 11:30 UTC, and still January's period. It
    # began before the anchor: on 31 December 23:30 there.
    assert periods(built, "far-west")[:3] == [
        ("2025-12", "2026-01-01T11:30"),
        ("2026-01", "2026-02-01T11:30"),
        ("2026-02", "2026-03-01T11:30"),
    ]


def test_a_comparison_with_stripe_is_named_like_its_statement(built: World) -> None:
    settings = built.settings(utc(AS_OF))
    found = {
        period: [
            row["warehouse_quantity"]
            for row in billing.reconciliation(settings, period)
            if row["account_id"] == "far-west"
        ]
        for period in ("2025-12", "2026-01", "2026-02")
    }
    assert found == {"2025-12": [], "2026-01": [Decimal(7)], "2026-02": []}


# --- Years -----------------------------------------------------------------------------------


@written
def _(world: World) -> None:
    world.account(
        "yearly", plan_id="yearly", started_at="2025-03-10T00:00:00Z", anchor="2025-02-15"
    )
    pages(
        world,
        "yearly",
        ("2025-03-09T23:59:59Z", "1000"),
        ("2025-06-01T00:00:00Z", "2"),
        ("2026-02-14T23:59:59Z", "3"),
        ("2026-02-15T00:00:00Z", "4"),
    )


def test_a_year_is_one_statement(built: World) -> None:
    """From 10 March to 15 February are 342 of 365 days: 96 * 342 / 365 = 89.9506...

    Pages: 2 + 3 in the first year; what was used before the subscription began is nobody's.
    """
    assert charged(built, "yearly") == [
        ("2025-02", "base_fee", 8995),
        ("2025-02", "pages", 500),
        ("2026-02", "base_fee", 9600),
        ("2026-02", "pages", 400),
    ]


def test_a_yearly_statement_is_approved_and_pushed(new_world: Callable[[], World]) -> None:
    """Named by the month in which it begins; stamped one second before it ends (DECISIONS D24)."""
    world = new_world()
    world.meters = meters("pages")
    world.plans += PLANS[:3]
    world.account("a", plan_id="yearly", started_at="2025-02-15T00:00:00Z", anchor="2025-02-15")
    pages(world, "a", ("2025-06-01T00:00:00Z", "2"), ("2026-02-14T00:00:00Z", "3"))
    world.account("b", plan_id="paged")
    pages(world, "b", ("2026-02-10T00:00:00Z", "5"))
    world.build("2026-03-02T00:00:00Z")
    # The month's approval leaves the year alone: both end in February, but the year began in 2025.
    monthly = world.approve("2026-02", "2026-03-02T00:00:00Z")
    assert [each.account_id for each in monthly] == ["b"]
    (approval,) = world.approve("2025-02", "2026-03-02T00:00:00Z")
    assert (approval.account_id, approval.total_minor) == ("a", 9600 + 500)
    ledger = Ledger(world.settings(utc(AS_OF)).ledger_url)
    try:
        (need,) = needs([approval], ledger.lines())
    finally:
        ledger.close()
    (intent,) = intents_for(need, "cus_a", utc("2026-03-02T00:00:00Z"))
    assert intent.value == 5
    assert datetime.fromtimestamp(intent.event_timestamp, UTC) == utc("2026-02-14T23:59:59Z")
    # A page of the year that is told now is corrected in the year that runs.
    pages(world, "a", ("2025-06-01T00:00:00Z", "2"), ("2026-02-14T00:00:00Z", "4"))
    world.build("2026-03-03T00:00:00Z")
    assert charged(world, "a", charge_class="correction") == [("2026-02", "pages", 100)]


# --- Trials ----------------------------------------------------------------------------------


@written
def _(world: World) -> None:
    world.account("tried", plan_id=None)
    world.subscribe("tried", "rules", "2026-07-01T00:00:00Z", trial_end="2026-07-21T00:00:00Z")
    pages(
        world,
        "tried",
        ("2026-07-10T00:00:00Z", "40"),
        ("2026-07-20T23:59:59.999999Z", "2"),
        ("2026-07-21T00:00:00Z", "12"),
        ("2026-07-25T00:00:00Z", "3"),
    )
    world.write(
        "cloudevents/tried.ndjson",
        [
            event("e1", "tried", "load", "2026-07-05T00:00:00Z", level="9"),
            event("e2", "tried", "load", "2026-07-22T00:00:00Z", level="4"),
            event("e3", "tried", "login", "2026-07-05T00:00:00Z", user="ann"),
            event("e4", "tried", "login", "2026-07-06T00:00:00Z", user="bob"),
            event("e5", "tried", "login", "2026-07-22T00:00:00Z", user="ann"),
        ],
    )
    world.account("trialing", plan_id=None)
    world.subscribe("trialing", "rules", "2026-10-15T00:00:00Z", trial_end="2026-12-01T00:00:00Z")
    pages(world, "trialing", ("2026-10-20T00:00:00Z", "5"))


def test_nothing_of_a_trial_is_charged(built: World) -> None:
    """From 21 July on: 11 of 31 days of 31; 15 pages of which 10 are included; the greatest load
    was 4; one user. 5 + 4 + 1 is 10, so 30 are missing to the minimum of 40.
    """
    july = [line[1:] for line in charged(built, "tried") if line[0] == "2026-07"]
    assert sorted(july) == [
        ("base_fee", 1100),
        ("minimum_amount", 3000),
        ("pages", 500),
        ("peak", 400),
        ("users", 100),
    ]
    (line,) = built.lines("tried", charge_key="pages")
    assert line["quantity"] == 15


def test_what_a_trial_used_is_shown_as_unrated(built: World) -> None:
    rows = built.query(
        "select meter_id, quantity from marts.fct_unrated_usage"
        " where account_id = 'tried' and reason = 'trial' order by 1"
    )
    assert [tuple(row.values()) for row in rows] == [("pages", 42), ("peak", 9), ("users", 2)]
    assert (
        built.value(
            "select sum(rows) from marts.fct_row_dispositions where file like '%tried%'"
            " and disposition <> 'billed'"
        )
        is None
    )


def test_a_period_that_is_all_trial_owes_nothing(built: World) -> None:
    rows = built.query(
        "select period, status, subtotal_minor, total_minor from marts.fct_statements"
        " where account_id = 'trialing' order by 1"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("2026-10", "closed", 0, 0),
        ("2026-11", "open", 0, 0),
    ]
    assert charged(built, "trialing") == []


# --- Changes within a period -----------------------------------------------------------------


@written
def _(world: World) -> None:
    world.account("changed", plan_id=None)
    world.subscribe("changed", "small", "2026-07-01T00:00:00Z", "2026-07-11T06:00:01Z")
    world.subscribe("changed", "large", "2026-07-11T06:00:01Z", "2026-08-01T00:00:00Z")
    pages(
        world,
        "changed",
        ("2026-07-11T06:00:00.999999Z", "3"),
        ("2026-07-11T06:00:01Z", "5"),
    )
    world.account("cancelled", plan_id=None)
    world.subscribe("cancelled", "daily", "2026-07-01T00:00:00Z", "2026-07-08T00:00:00Z")
    pages(world, "cancelled", ("2026-07-07T23:59:59Z", "1"), ("2026-07-08T00:00:00Z", "9"))


def test_a_change_of_plan_is_prorated_by_the_second(built: World) -> None:
    """July has 2678400 seconds; 10 days, 6 hours and 1 second are 885601, 1792799 remain.

    30 * 885601 / 2678400 = 9.9193..., 60 * 1792799 / 2678400 = 40.1612...; 3 pages at 1, 5 at 2.
    """
    assert sorted(charged(built, "changed")) == [
        ("2026-07", "base_fee", 992),
        ("2026-07", "base_fee", 4016),
        ("2026-07", "pages", 300),
        ("2026-07", "pages", 1000),
    ]


def test_a_cancelled_subscription_pays_to_its_end(built: World) -> None:
    """7 of 31 days of 31, one page, and no statement of August."""
    assert charged(built, "cancelled") == [("2026-07", "base_fee", 700), ("2026-07", "pages", 100)]
    assert periods(built, "cancelled") == [("2026-07", "2026-07-01T00:00")]


@written
def _(world: World) -> None:
    world.account("again", plan_id=None)
    world.subscribe("again", "small", "2026-07-01T00:00:00Z", "2026-07-11T00:00:00Z")
    world.subscribe("again", "small", "2026-07-11T00:00:00Z", "2026-07-21T00:00:01Z")
    world.subscribe("again", "small", "2026-07-21T00:00:01Z", "2026-08-01T00:00:00Z")
    world.account("republished", plan_id="republished", started_at="2026-07-01T00:00:00Z")


@pytest.mark.parametrize(("account", "fee"), [("again", 30), ("republished", 10)])
def test_the_parts_of_a_fee_add_up_to_it(built: World, account: str, fee: int) -> None:
    """Ten days, ten days and a second, the rest: no two of the thirds end after 18 places."""
    parts = [
        line["amount"]
        for line in built.lines(account, charge_class="base_fee")
        if line["statement_period"] == "2026-07"
    ]
    assert len(parts) == 3
    assert sum(parts) == fee


# --- Subscriptions of Stripe, and those that are not rated ------------------------------------


def stripe_subscription(number: str, customer: str, start: str, **more: Any) -> Row:
    """A Stripe subscription to the plan `daily`, fetched on 2026-08-01."""
    told = {
        "id": f"sub_{number}",
        "object": "subscription",
        "customer": customer,
        "status": "active",
        "created": int(utc(start).timestamp()),
        "start_date": int(utc(start).timestamp()),
        "billing_cycle_anchor": int(utc(start).timestamp()),
        "ended_at": None,
        "trial_end": None,
        "metadata": {"plan_id": "daily"},
        "fetched_at": "2026-08-01T00:00:00Z",
    }
    return told | {
        name: int(utc(value).timestamp()) if name in {"ended_at", "trial_end"} else value
        for name, value in more.items()
    }


@written
def _(world: World) -> None:
    for account in ("striped", "filed", "both"):
        world.account(account, plan_id=None)
    world.subscribe("filed", "small", "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z")
    world.subscriptions[-1]["subscription_id"] = "sub_filed"
    world.subscribe("both", "small", "2026-07-01T00:00:00Z", "2026-07-17T00:00:00Z")
    world.write(
        "stripe/subscriptions/one.ndjson",
        [
            # Ten days of trial, then until the 31st of July 12:00.
            stripe_subscription(
                "striped",
                "cus_striped",
                "2026-07-11T12:00:00Z",
                trial_end="2026-07-21T12:00:00Z",
                ended_at="2026-07-31T12:00:00Z",
            ),
            stripe_subscription("filed", "cus_filed", "2026-07-01T00:00:00Z"),
            stripe_subscription(
                "both", "cus_both", "2026-07-01T00:00:00Z", ended_at="2026-08-01T00:00:00Z"
            )
            | {"start_date": int(utc("2026-07-16T00:00:00Z").timestamp())},
            stripe_subscription("stranger", "cus_stranger", "2026-07-01T00:00:00Z"),
            stripe_subscription("other", "cus_striped", "2026-07-01T00:00:00Z", metadata={}),
        ],
    )


def test_a_subscription_of_stripe_is_rated_like_one_of_the_file(built: World) -> None:
    """Anchored on the 11th 12:00, July's period has 31 days, of which 10 are charged."""
    assert charged(built, "striped") == [("2026-07", "base_fee", 1000)]
    assert periods(built, "striped") == [("2026-07", "2026-07-11T12:00")]


def test_the_file_wins_where_both_have_the_id(built: World) -> None:
    assert charged(built, "filed") == [("2026-07", "base_fee", 3000)]


def test_an_overlap_with_stripe_is_rated_once_and_named(built: World) -> None:
    """16 of 31 days of 30 by the file: 15.4838...; from 17 July Stripe's, 15 of 31 days of 31."""
    assert sorted(charged(built, "both")) == [
        ("2026-07", "base_fee", 1500),
        ("2026-07", "base_fee", 1548),
    ]
    assert issues(built, "sub_both") == [
        ("subscription_overlaps_another", "2026-07-16T00:00", "2026-07-17T00:00")
    ]


def test_a_customer_of_no_account_is_named(built: World) -> None:
    assert issues(built, "sub_stranger") == [
        ("subscription_account_unknown", "2026-07-01T00:00", None)
    ]


@written
def _(world: World) -> None:
    world.subscribe("nobody", "small", "2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z")
    world.account("planless", plan_id="typo", started_at="2026-07-01T00:00:00Z")
    world.account("early", plan_id="late", started_at="2026-07-01T00:00:00Z")
    pages(world, "early", ("2026-07-14T23:59:59Z", "5"), ("2026-07-15T00:00:00Z", "6"))
    world.account("twice", plan_id="small", started_at="2026-07-01T00:00:00Z")
    world.subscribe("twice", "large", "2026-07-10T00:00:00Z")


def test_an_unknown_account_or_plan_is_named_and_stops_nobody(built: World) -> None:
    assert issues(built, "sub-nobody-1") == [
        ("subscription_account_unknown", "2026-07-01T00:00", "2026-07-02T00:00")
    ]
    assert issues(built, "sub-planless-1") == [
        ("subscription_plan_unknown", "2026-07-01T00:00", None)
    ]
    # No plan, no statement: nobody can approve that nothing is owed.
    assert periods(built, "planless") == []


def test_time_before_the_first_version_of_a_plan_is_named(built: World) -> None:
    """The plan is valid from 15 July: 17 of 31 days of 31, and 6 pages."""
    assert issues(built, "sub-early-1") == [
        ("subscription_before_plan", "2026-07-01T00:00", "2026-07-15T00:00")
    ]
    july = [line for line in charged(built, "early") if line[0] == "2026-07"]
    assert july == [("2026-07", "base_fee", 1700), ("2026-07", "pages", 600)]


def test_an_overlap_in_the_file_is_quarantined_by_name(built: World) -> None:
    (row,) = [row for row in built.quarantine() if row["source"] == "subscriptions"]
    assert "overlaps subscription 'sub-twice-1'" in row["reason"]
    assert "end that one by 2026-07-10T00:00:00Z, or start this one later" in row["reason"]
    assert ("2026-07", "base_fee", 3000) in charged(built, "twice")


# --- As the clock moves ----------------------------------------------------------------------


def test_a_build_after_an_edge_or_a_trials_end_equals_a_full_refresh(
    new_world: Callable[[], World],
) -> None:
    world = new_world()
    world.meters = meters("pages")
    world.plans += PLANS[:5]
    world.account("tried", plan_id=None)
    world.subscribe("tried", "small", "2026-07-01T00:00:00Z", trial_end="2026-07-21T00:00:00Z")
    pages(world, "tried", ("2026-07-10T00:00:00Z", "4"), ("2026-07-22T00:00:00Z", "5"))
    world.account(
        "yearly", plan_id="yearly", started_at="2025-08-01T00:00:00Z", anchor="2025-08-01"
    )
    pages(world, "yearly", ("2025-09-01T00:00:00Z", "6"))
    world.account("striped", plan_id=None)
    world.write(
        "stripe/subscriptions/one.ndjson",
        json.dumps(stripe_subscription("striped", "cus_striped", "2026-07-11T00:00:00Z")) + "\n",
    )
    seen: list[list[tuple[str, str, int]]] = []
    for as_of in (
        "2026-07-20T23:59:59.999999Z",
        "2026-07-21T00:00:00Z",
        "2026-07-31T23:59:59.999999Z",
        "2026-08-01T00:00:00Z",
        "2026-08-11T00:00:00Z",
    ):
        world.build(as_of)
        digests = world.digests()
        seen.append(charged(world, "striped"))
        world.build(as_of, full_refresh=True)
        assert world.digests() == digests, as_of
    # Stripe's subscription is known from its fetch on, 2026-08-01.
    assert seen == [
        [],
        [],
        [],
        [("2026-07", "base_fee", 3100)],
        [("2026-07", "base_fee", 3100), ("2026-08", "base_fee", 3100)],
    ]
