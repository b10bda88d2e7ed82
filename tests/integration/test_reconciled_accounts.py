"""Reconciliation is made again by account: after each step the marts are those of a full refresh.

One history: Stripe's exports of some customers, one of them nobody's, and then what may change a
side of the comparison, one thing a step. The warehouse is built on at each step; a mirror with the
same landing zone and ledger is built anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from test_properties import shared_landing
from world import Row, World, charge, meters, plan, scale_event, utc, version

from dagster_project.ledger import Ledger
from dagster_project.stripe.push import plan as plan_push

pytestmark = pytest.mark.integration

JULY = (utc("2026-07-01"), utc("2026-08-01"))
FIRST = "2026-08-02T00:00:00Z"
SIX = "2026-08-02T06:00:00Z"
METER = "sandbox_seconds"
# Seconds that each account's sandbox ran in July.
RAN = {"ann": 600, "bob": 300, "eve": 60, "pat": 20}


def run(account: str, event_id: str, started_at: str, seconds: int) -> Row:
    """A run of one sandbox of the account."""
    start = utc(started_at)
    end = datetime.fromtimestamp(start.timestamp() + seconds, start.tzinfo)
    return scale_event(event_id, account, f"box-{event_id}", start, end)


def summary(customer: str, value: str, fetched_at: str) -> Row:
    """What Stripe's meter holds for a customer's July."""
    start, end = (int(each.timestamp()) for each in JULY)
    return {
        "id": f"sum-{customer}-{fetched_at}",
        "meter": "mtr_1",
        "customer": customer,
        "start_time": start,
        "end_time": end,
        "aggregated_value": float(value),
        "fetched_at": fetched_at,
    }


def invoice(customer: str, units: int, amount: int) -> Row:
    """A paid invoice of July with one line."""
    start, end = (int(each.timestamp()) for each in JULY)
    line = {
        "id": f"il-{customer}",
        "amount": amount,
        "quantity": units,
        "quantity_decimal": str(units),
        "period": {"start": start, "end": end},
        "pricing": {"unit_amount_decimal": "1", "price_details": {"price": "price_1"}},
    }
    return {
        "id": f"in-{customer}",
        "customer": customer,
        "status": "paid",
        "created": end,
        "fetched_at": FIRST,
        "lines": {"has_more": False, "data": [line]},
    }


def prepare(world: World) -> None:
    """Stripe has ann's seconds twice, bob's and pat's once, eve's from six on, and a stranger's."""
    world.plans = [plan("payg", version("2026-01-01T00:00:00Z", [charge(METER, METER)]))]
    for account, seconds in RAN.items():
        world.account(account)
        event = run(account, account, "2026-07-10T10:00:00Z", seconds)
        world.write(f"opencomputer/scale_events/{account}.json", [event])
    world.write(
        "stripe/customers/all.jsonl",
        [{"id": f"cus_{name}", "created": 1} for name in (*RAN, "stranger")],
    )
    world.write("stripe/meters/all.jsonl", [{"id": "mtr_1", "event_name": METER, "created": 1}])
    world.write(
        "stripe/prices/all.jsonl",
        [{"id": "price_1", "recurring": {"meter": "mtr_1"}, "unit_amount": 1, "created": 1}],
    )
    world.write(
        "stripe/meter_event_summaries/first.jsonl",
        [
            summary("cus_ann", "1200", FIRST),
            summary("cus_bob", "300", FIRST),
            summary("cus_pat", "20", FIRST),
            summary("cus_stranger", "7", FIRST),
            # Fetched at an instant that only a later step reaches.
            summary("cus_eve", "60", SIX),
        ],
    )
    world.write(
        "stripe/invoices/first.jsonl", [invoice("cus_bob", 300, 300), invoice("cus_pat", 20, 20)]
    )


@dataclass
class History:
    """A warehouse that was built on, its mirror that was built anew, and what they said."""

    world: World
    mirror: World
    differing: dict[str, list[str]] = field(default_factory=dict)
    touched: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    causes: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=dict)

    def step(self, name: str, as_of: str) -> None:
        """Build both, and keep which marts differ and what is said of July's seconds."""
        if self.world.home.exists():
            self.mirror.home.mkdir(exist_ok=True)
            for file in self.world.home.glob("ledger.sqlite*"):
                shutil.copy(file, self.mirror.home / file.name)
        for references in ("meters", "subscriptions"):
            setattr(self.mirror, references, getattr(self.world, references))
        self.world.build(as_of)
        self.mirror.build(as_of, full_refresh=True)
        ours, theirs = self.world.digests(), self.mirror.digests()
        self.differing[name] = [mart for mart in theirs if ours[mart] != theirs[mart]]
        with duckdb.connect(str(self.world.home / "warehouse.duckdb"), read_only=True) as con:
            touched = con.execute("from intermediate.int_reconciliation_accounts_touched")
            self.touched[name] = {row[0] for row in touched.fetchall()}
        of_july = "meter_id = ? and period_start = ?"
        for row in self.world.query(
            f"select * from marts.fct_reconciliation where {of_july}", METER, JULY[0]
        ):
            self.rows[name, row["account_id"]] = row
        for row in self.world.query(
            f"select * from marts.fct_discrepancies where {of_july}", METER, JULY[0]
        ):
            found = self.causes.setdefault((name, row["account_id"]), {})
            found[row["cause"]] = row["quantity_delta"]


@pytest.fixture(scope="module")
def history(new_world: Callable[[], World]) -> History:
    """Every step, one after the other."""
    world = new_world()
    prepare(world)
    history = History(world, shared_landing(new_world, world))
    history.step("first", FIRST)

    late = run("bob", "late", "2026-07-20T10:00:00Z", 40)
    world.write("opencomputer/scale_events/late.json", [late])
    history.step("usage of one", FIRST)

    # Told once more, ann's run bills the same, but whoever counts retries has it twice.
    again = run("ann", "ann", "2026-07-10T10:00:00Z", RAN["ann"])
    other = run("bob", "other", "2026-07-21T10:00:00Z", 10)
    world.write("opencomputer/scale_events/again.json", [again, other])
    history.step("repeated row", FIRST)

    world.write(
        "stripe/meter_event_summaries/more.jsonl",
        [
            summary("cus_bob", "350", "2026-08-01T22:00:00Z"),
            summary("cus_stranger", "9", FIRST)
            | {
                "start_time": int(utc("2026-06-01").timestamp()),
                "end_time": int(JULY[0].timestamp()),
            },
        ],
    )
    history.step("export added", FIRST)
    (world.landing / "stripe/meter_event_summaries/more.jsonl").unlink()
    history.step("export removed", FIRST)

    history.step("clock at the export", SIX)

    world.approve("2026-07", SIX)
    push_of(world, "bob", SIX)
    history.step("push", "2026-08-02T07:00:00Z")
    later = run("bob", "later", "2026-07-22T10:00:00Z", 5)
    world.write("opencomputer/scale_events/later.json", [later])
    history.step("usage after the push", "2026-08-02T07:00:00Z")

    world.meters = [
        each | ({"stripe_event_name": "seconds"} if each["meter_id"] == METER else {})
        for each in meters()
    ]
    history.step("other event name", "2026-08-02T07:00:00Z")
    world.meters = meters()
    world.subscriptions = [
        each | ({"ended_at": "2026-07-20T00:00:00Z"} if each["account_id"] == "eve" else {})
        for each in world.subscriptions
    ]
    history.step("subscription ended", "2026-08-02T07:00:00Z")
    history.step("next month", "2026-09-02T00:00:00Z")
    return history


STEPS = (
    "first",
    "usage of one",
    "repeated row",
    "export added",
    "export removed",
    "clock at the export",
    "push",
    "usage after the push",
    "other event name",
    "subscription ended",
    "next month",
)


@pytest.mark.parametrize("step", STEPS)
def test_the_marts_are_those_of_a_full_refresh(history: History, step: str) -> None:
    assert history.differing[step] == []


def test_every_step_is_compared(history: History) -> None:
    assert tuple(history.differing) == STEPS


def test_usage_of_one_account_leaves_who_agrees_alone(history: History) -> None:
    """Made again are bob, whose usage it is, and all whose meter differs; pat's agrees."""
    assert history.rows["usage of one", "bob"]["warehouse_quantity"] == 300 + 40
    # Stripe has ann's 600 twice, nothing yet of eve's, and 7 of nobody's.
    assert history.touched["usage of one"] == {"ann", "bob", "eve", "unattributed"}


def test_a_repeated_row_explains_what_charges_do_not_show(history: History) -> None:
    """Stripe's 1200 are ann's 600 and the same again; before the row was repeated nobody knew."""
    assert history.rows["usage of one", "ann"]["warehouse_quantity"] == 600
    assert "retries_counted_again" not in history.causes["usage of one", "ann"]
    assert history.rows["repeated row", "ann"]["warehouse_quantity"] == 600
    assert history.causes["repeated row", "ann"]["retries_counted_again"] == 600


@pytest.mark.parametrize(
    "step",
    ["export added", "export removed", "clock at the export", "push", "other event name"],
)
def test_what_all_are_compared_with_is_everybodys_case(history: History, step: str) -> None:
    assert history.touched[step] >= {*RAN, "unattributed"}


def test_a_known_export_counts_once_the_clock_is_there(history: History) -> None:
    """The file was there from the start; its summary was fetched at six."""
    assert history.rows["export removed", "eve"]["stripe_meter_quantity"] == 0
    assert history.rows["clock at the export", "eve"]["stripe_meter_quantity"] == 60


def test_the_push_of_one_account_is_the_baseline_of_all(history: History) -> None:
    """Bob's 300, 40 and 10 were pushed; pat's month is on the ledger's account now, too."""
    assert history.rows["push", "bob"]["pushed_quantity"] == 300 + 40 + 10
    assert history.causes["push", "pat"]["not_pushed_yet"] == -20
    assert history.causes["push", "pat"]["unknown_to_warehouse"] == 20
    assert history.causes["usage after the push", "bob"]["usage_after_approval"] == -5


def test_an_event_name_that_nobody_sends_has_no_summaries(history: History) -> None:
    assert history.rows["usage after the push", "bob"]["stripe_meter_quantity"] == 300
    assert history.rows["other event name", "bob"]["stripe_meter_quantity"] == 0
    assert history.rows["subscription ended", "bob"]["stripe_meter_quantity"] == 300


def push_of(world: World, account: str, now: str) -> None:
    """Stripe takes what is owed of one account."""
    ledger = Ledger(world.settings(utc(now)).ledger_url)
    try:
        owed: list[Any] = [
            each for each in plan_push(ledger, utc(now)).new if each.account_id == account
        ]
        for intent in ledger.plan_intents(owed):
            ledger.record_answer(intent.intent_id, "accepted", utc(now))
    finally:
        ledger.close()
