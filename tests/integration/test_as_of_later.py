"""`--as-of T` after T: what arrives later leaves no trace in what was said then.

A world is built at T and its marts are kept. Then whatever can arrive does: records, corrections,
an approval, price versions, subscriptions, credits. Built as of T again, in this home and in a new
one, every mart must be what it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest
from world import START, World, capture, charge, e2b, interval, meters, plan, quantity, version

pytestmark = pytest.mark.integration

FIRST = "2026-08-10T12:00:00Z"
LATER = "2026-08-20T12:00:00Z"
USED = "com.example.used"
# It accounts for every row that is loaded now, whatever is known of it at the as-of: what came
# later is `pending` there.
COUNTS_WHAT_IS_LOADED = {"fct_row_dispositions"}

EVENTS = {
    "meter_id": "used",
    "source": "events",
    "event_type": USED,
    "aggregation": "sum",
    "value": "$.n",
    "unit": "unit",
}


def used(number: int, at: str, model: str) -> str:
    """A CloudEvent of account `two`, as a line."""
    return json.dumps({
        "specversion": "1.0", "id": f"e-{number}", "source": "api", "type": USED,
        "subject": "two", "time": at, "data": {"n": number, "model": model},
    }) + "\n"  # fmt: skip


def tell_first(world: World) -> None:
    """What there is at FIRST: two accounts with usage, a base fee, a credit."""
    world.meters = [*meters("pages"), EVENTS]
    charges = [charge("pages", "pages"), charge("time", "sandbox_seconds"), charge("used", "used")]
    world.plans = [*world.plans, plan("base", version(START, charges, base_amount="31.00"))]
    for name in ("one", "two"):
        world.account(name, plan_id="base", started_at="2026-07-01T00:00:00Z")
    world.credits = [granted("c-1", "one", "0.05", "2026-07-01T00:00:00Z")]
    world.write("quantities/first.csv", [
        quantity("q-1", "one", "pages", "10", "2026-07-03T10:00:00Z", "2026-07-03T11:00:00Z"),
        quantity("q-2", "one", "pages", "20", "2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z"),
        quantity("q-3", "two", "pages", "30", "2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z"),
    ])  # fmt: skip
    world.write("e2b/first.ndjson", [
        capture(e2b("created", "2026-08-09T10:00:00Z", "s-1", customer="one"),
                "2026-08-09T10:00:01Z"),
        capture(e2b("created", "2026-08-10T10:00:00Z", "s-2", customer="two"),
                "2026-08-10T10:00:01Z"),
    ])  # fmt: skip
    world.write("intervals/first.csv", [
        interval("i-1", "two", "box", "2026-08-05T10:00:00Z", "2026-08-05T11:00:00Z"),
    ])  # fmt: skip
    lines = used(5, "2026-08-04T10:00:00Z", "small") + used(7, "2026-08-05T10:00:00Z", "large")
    world.write("cloudevents/first.ndjson", lines)


def granted(name: str, account: str, amount: str, effective_at: str) -> dict[str, object]:
    """A line of credits.csv."""
    return {
        "credit_id": name,
        "account_id": account,
        "amount": amount,
        "currency": "usd",
        "category": "promotional",
        "priority": 50,
        "effective_at": effective_at,
        "expires_at": "",
        "meter_id": "",
    }


def tell_later(world: World) -> None:
    """What arrives after FIRST, each with a time of its own that lies after it."""
    world.write("quantities/later.csv", [
        # Another state of a record that was told, and one that is new.
        quantity("q-2", "one", "pages", "25", "2026-08-03T10:00:00Z", "2026-08-11T11:00:00Z"),
        quantity("q-9", "one", "pages", "90", "2026-08-12T10:00:00Z", "2026-08-12T11:00:00Z"),
    ])  # fmt: skip
    world.write("e2b/later.ndjson", [
        # Happened before, received after; the same delivery once more; an end.
        capture(e2b("killed", "2026-08-09T11:00:00Z", "s-1", customer="one", ran_ms=3_600_000),
                "2026-08-11T00:00:00Z"),
        capture(e2b("created", "2026-08-10T10:00:00Z", "s-2", customer="two"),
                "2026-08-11T00:00:00Z", delivery="d-2"),
        capture(e2b("killed", "2026-08-13T10:00:00Z", "s-2", customer="two", ran_ms=259_200_000),
                "2026-08-13T10:00:01Z"),
    ])  # fmt: skip
    world.write("cloudevents/later.ndjson", used(11, "2026-08-12T10:00:00Z", "small"))
    world.write(
        "corrections.csv",
        "correction_id,record_id,action,quantity,reason,requested_by,requested_at\n"
        "x-1,q-3,void,,wrong,Ada,2026-08-15T10:00:00Z\n"
        "x-2,q-1,replace,12,wrong,Ada,2026-08-15T10:00:00Z\n",
    )
    # A version in force from before, known from after; with a `where` and a meter of its own.
    world.meters = [*world.meters, {"meter_id": "cores", "source": "compute",
                                    "measure": "cpu_core_seconds", "unit": "core"}]  # fmt: skip
    news = version(
        "2026-08-02T00:00:00Z",
        [
            charge("pages", "pages", "0.03"),
            charge("used", "used", where={"model": "small"}),
            charge("cores", "cores"),
        ],
        published_at="2026-08-14T00:00:00Z",
        base_amount="62.00",
    )
    base = world.plans[-1]
    world.plans = [*world.plans[:-1], base | {"versions": [*base["versions"], news]}]
    # One ends in the month, and another begins; a credit that is effective after FIRST.
    world.subscriptions[-1] = world.subscriptions[-1] | {"ended_at": "2026-08-16T00:00:00Z"}
    world.subscribe("two", "payg", "2026-08-16T00:00:00Z")
    world.credits = [*world.credits, granted("c-2", "two", "0.07", "2026-08-18T00:00:00Z")]


@pytest.fixture(scope="module")
def told(new_world: Callable[[], World]) -> tuple[World, dict[str, str]]:
    """The world after everything, and what its marts were at FIRST."""
    world = new_world()
    tell_first(world)
    world.build(FIRST)
    first = world.digests()
    world.approve("2026-07", "2026-08-10T13:00:00Z")
    world.build("2026-08-10T14:00:00Z")
    tell_later(world)
    world.build(LATER)
    return world, first


def compared(digests: dict[str, str]) -> dict[str, str]:
    return {name: each for name, each in digests.items() if name not in COUNTS_WHAT_IS_LOADED}


def test_everything_that_came_later_shows_later(told: tuple[World, dict[str, str]]) -> None:
    """Else the tests below would prove nothing."""
    world, _ = told
    world.build(LATER)
    assert world.usage("two", "pages") == 0  # voided
    assert world.usage("one", "pages") == 12 + 25 + 90
    assert world.value("select count(*) from marts.dim_prices where plan_id = 'base'") == 6
    approved = "select count(*) from marts.fct_statements where status = 'approved'"
    assert world.value(approved) == 2
    assert world.value("select count(distinct credit_id) from marts.fct_credit_burndown") == 2
    assert world.usage("two", "cores") > 0
    # Half of August: 31.00 x 1 day, and 62.00 x 14 days of 31; cut at the end of the 15th.
    fees = [row["amount_minor"] for row in world.lines("two", charge_class="base_fee")]
    assert fees == [3100, 100, 2800]


def test_the_same_home_answers_as_it_did(told: tuple[World, dict[str, str]]) -> None:
    world, first = told
    world.build(FIRST)
    assert compared(world.digests()) == compared(first)


def test_a_new_home_answers_as_the_other_did(
    told: tuple[World, dict[str, str]], new_world: Callable[[], World]
) -> None:
    world, first = told
    fresh = new_world()
    tell_first(fresh)
    tell_later(fresh)
    fresh.home.mkdir()
    shutil.copy(world.home / "ledger.sqlite", fresh.home / "ledger.sqlite")
    fresh.build(FIRST)
    assert compared(fresh.digests()) == compared(first)


def test_time_going_on_gives_what_a_new_home_gives(
    told: tuple[World, dict[str, str]], new_world: Callable[[], World]
) -> None:
    """As each time passes, what it makes known is counted, without building everything again."""
    world, _ = told
    stepped = new_world()
    tell_first(stepped)
    tell_later(stepped)
    stepped.home.mkdir()
    shutil.copy(world.home / "ledger.sqlite", stepped.home / "ledger.sqlite")
    for day in ("10", "13", "15", "17", "19"):
        stepped.build(f"2026-08-{day}T12:30:00Z")
    stepped.build(LATER)
    world.build(LATER, full_refresh=True)
    assert compared(stepped.digests()) == compared(world.digests())
