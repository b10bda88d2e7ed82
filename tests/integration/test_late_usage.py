"""Usage that becomes known after approval: approved lines stay, corrections follow.

One history, told to some accounts on different plans. July is approved on 1 August; something
about July becomes known on 2 August; August, with its corrections, is approved on 1 September; more
about July becomes known on 2 September. Every account has one sandbox a step, so that a test can
give its seconds in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from world import START, Row, World, capture, charge, e2b, plan, utc, version

from dagster_project.ledger import Ledger

pytestmark = pytest.mark.integration

JULY_APPROVED = "2026-08-01T12:00:00Z"
LATE = "2026-08-03T00:00:00Z"
AUGUST_APPROVED = "2026-09-01T12:00:00Z"
LATER = "2026-09-03T00:00:00Z"

# Seconds of July: known when it was approved, known a day later, known a month later.
SECONDS = {
    "standard": (60, 100, 40),
    "graduated": (60, 100, 40),
    "volume": (90, 20, 40),
    "included": (30, 40, 10),
    "allowance": (30, 40, 10),
    "minimum": (40, 30, 50),
    "maximum": (40, 30, 10),
    "discount": (30, 40, 10),
    "credited": (30, 40, 10),
    "ended": (60, 100, 40),
    "unused": (0, 60, 0),
    "repriced": (60, 100, 40),
    # Of a customer that nobody knew when July was approved.
    "claimed": (50, 0, 0),
}

TIERS = [
    {"up_to": "100", "unit_amount": "0.10", "flat_amount": "1.00"},
    {"up_to": None, "unit_amount": "0.05", "flat_amount": "2.00"},
]
DIME = charge("seconds", "sandbox_seconds", "0.10")
TIERED = charge("seconds", "sandbox_seconds", properties={"tiers": TIERS})

PLANS = {
    "standard": [version(START, [charge("seconds", "sandbox_seconds", "0.01")])],
    "graduated": [version(START, [TIERED | {"model": "graduated"}])],
    "volume": [version(START, [TIERED | {"model": "volume"}])],
    "included": [version(START, [DIME | {"included_quantity": "50"}])],
    "allowance": [version(START, [DIME], included_amount="5.00")],
    "minimum": [version(START, [DIME], minimum_amount="10.00")],
    "maximum": [version(START, [DIME], maximum_amount="5.00")],
    "discount": [version(START, [DIME | {"percentage_discount": "10"}])],
    "dime": [version(START, [DIME])],
    # The second version is in force before any run and published after July's approval.
    "repriced": [
        version(START, [charge("seconds", "sandbox_seconds", "0.01")]),
        version(
            "2026-07-15T00:00:00Z",
            [charge("seconds", "sandbox_seconds", "0.02")],
            published_at="2026-08-02T00:00:00Z",
        ),
    ],
}
# The plans of the accounts that are not named after theirs.
PLAN_OF = {"credited": "dime", "ended": "standard", "unused": "standard", "claimed": "standard"}


@dataclass
class History:
    """The world at its end, and what the marts said at each step."""

    world: World
    lines: dict[str, list[Row]] = field(default_factory=dict)
    statements: dict[str, list[Row]] = field(default_factory=dict)
    credits: dict[str, list[Row]] = field(default_factory=dict)
    ledger_lines: dict[str, list[Row]] = field(default_factory=dict)

    def step(self, name: str, as_of: str) -> None:
        """Build, and keep what the marts and the ledger say."""
        self.world.build(as_of)
        self.lines[name] = self.world.query("select * from marts.fct_charges order by charge_id")
        self.statements[name] = self.world.query(
            "select * from marts.fct_statements order by statement_id"
        )
        self.credits[name] = self.world.query(
            "select * from marts.fct_credit_burndown order by all"
        )
        self.ledger_lines[name] = ledger_rows(self.world, as_of)

    def corrections(self, step: str, account: str) -> list[tuple[str, str, Decimal | None, int]]:
        """Corrections not approved yet: month of the statement, charge, and what changed."""
        periods = {row["statement_id"]: row for row in self.statements[step]}
        found = [
            (
                periods[line["statement_id"]]["period"],
                line["charge_key"],
                line["quantity"],
                line["amount_minor"],
            )
            for line in self.lines[step]
            if line["account_id"] == account
            and line["charge_class"] == "correction"
            and periods[line["statement_id"]]["status"] in {"open", "closed"}
        ]
        return sorted(found, key=lambda each: (each[0], each[1], each[3]))

    def approved(self, step: str) -> dict[str, Row]:
        """The statements that are approved at a step, by id, each with its lines and credits."""
        return {
            row["statement_id"]: row
            | {
                "lines": [
                    each for each in self.lines[step] if each["statement_id"] == row["statement_id"]
                ],
                "credits": [
                    each
                    for each in self.credits[step]
                    if each["statement_id"] == row["statement_id"]
                ],
            }
            for row in self.statements[step]
            if row["status"] == "approved"
        }


def ledger_rows(world: World, now: str) -> list[Row]:
    """The lines of the ledger, after it has checked its own digests."""
    ledger = Ledger(world.settings(utc(now)).ledger_url)
    try:
        ledger.verify()
        return ledger.export_rows("lines")
    finally:
        ledger.close()


def runs(step: int, received_at: str) -> Iterator[Row]:
    """One ended run of July for each account, as it is told at a step."""
    for account, seconds in SECONDS.items():
        if seconds[step]:
            ended = f"2026-07-{20 + step}T10:00:00Z"
            event = e2b("killed", ended, f"{account}-{step}", customer=account,
                        ran_ms=1000 * seconds[step])  # fmt: skip
            yield capture(event, received_at)


def prepare(world: World) -> None:
    """The accounts and their plans, and what July holds when it is approved."""
    world.plans += [plan(name, *versions) for name, versions in PLANS.items()]
    for account in SECONDS:
        world.account(account, plan_id=None, links=account != "claimed")
        end = "2026-08-01T00:00:00Z" if account == "ended" else ""
        world.subscribe(account, PLAN_OF.get(account, account), "2026-07-01T00:00:00Z", end)
    world.credits = [
        {
            "credit_id": "grant",
            "account_id": "credited",
            "amount": "5.00",
            "currency": "usd",
            "category": "paid",
            "priority": "",
            "effective_at": "2026-07-01T00:00:00Z",
            "expires_at": "",
            "meter_id": "",
        }
    ]
    # Runs that seem to last: one until its timeout, one for 24 hours.
    for account in ("overrun", "capped"):
        world.account(account, plan_id="standard", started_at="2026-07-01T00:00:00Z")
    world.write(
        "e2b/open.ndjson",
        [
            e2b("created", "2026-07-20T10:00:00Z", "overrun-0", customer="overrun"),
            e2b("updated", "2026-07-20T10:00:01Z", "overrun-0", timeout="2026-07-20T11:00:00Z"),
            e2b("created", "2026-07-20T10:00:00Z", "capped-0", customer="capped"),
        ],
    )
    world.write("e2b/july.ndjson", list(runs(0, "2026-07-31T00:00:00Z")))


def tell_late(world: World) -> None:
    """What becomes known about July on 2 August."""
    kills = [
        e2b("killed", "2026-07-20T10:10:00Z", "overrun-0", customer="overrun", ran_ms=600_000),
        e2b("killed", "2026-07-22T10:00:00Z", "capped-0", customer="capped", ran_ms=172_800_000),
    ]
    told_at = "2026-08-02T06:00:00Z"
    late = [*runs(1, told_at), *(capture(kill, told_at) for kill in kills)]
    world.write("e2b/late.ndjson", late)
    world.link("e2b", "metadata:customer", "claimed", "claimed")


def tell_later(world: World) -> None:
    """What becomes known about July on 2 September."""
    world.write("e2b/later.ndjson", list(runs(2, "2026-09-02T06:00:00Z")))


@pytest.fixture(scope="module")
def history(new_world: Callable[[], World]) -> History:
    """The whole history."""
    history = History(new_world())
    world = history.world
    prepare(world)
    world.build(JULY_APPROVED)
    world.approve("2026-07", JULY_APPROVED)
    history.step("approved", "2026-08-01T13:00:00Z")
    tell_late(world)
    history.step("late", LATE)
    world.build(AUGUST_APPROVED)
    world.approve("2026-08", AUGUST_APPROVED)
    history.step("approved again", "2026-09-01T13:00:00Z")
    tell_later(world)
    history.step("later", LATER)
    return history


@pytest.fixture(scope="module")
def fresh(history: History, new_world: Callable[[], World]) -> World:
    """The same landing zone rated without any approval, as of the end of the history."""
    world = new_world()
    prepare(world)
    tell_late(world)
    tell_later(world)
    world.build(LATER)
    return world


def test_approved_statements_never_change(history: History) -> None:
    """Every approved line, credit and total is the same at each later step, in marts and ledger."""
    july = history.approved("approved")
    assert len(july) == len(SECONDS) + 2
    for step in ("late", "approved again", "later"):
        now = history.approved(step)
        assert {key: now[key] for key in july} == july
    august = history.approved("approved again")
    assert len(august) > len(july)
    assert history.approved("later") == august
    assert history.ledger_lines["late"] == history.ledger_lines["approved"]
    assert history.ledger_lines["later"] == history.ledger_lines["approved again"]


@pytest.mark.parametrize(
    ("account", "late", "later"),
    [
        # 60 s, 160 s, 200 s at 0.01.
        ("standard", [("seconds", 100, 100)], [("seconds", 40, 40)]),
        # 60 x .10 + 1 = 7.00; 100 x .10 + 1 + 60 x .05 + 2 = 16.00; + 40 x .05 = 18.00.
        ("graduated", [("seconds", 100, 900)], [("seconds", 40, 200)]),
        # 90 x .10 + 1 = 10.00; 110 x .05 + 2 = 7.50; 150 x .05 + 2 = 9.50.
        ("volume", [("seconds", 20, -250)], [("seconds", 40, 200)]),
        # 30 of 50 included, nothing to pay; 70 s: 20 x .10 = 2.00; 80 s: 3.00.
        ("included", [("seconds", 40, 200)], [("seconds", 10, 100)]),
        # 3.00, all covered; 7.00, 5.00 covered; 8.00, 5.00 covered.
        (
            "allowance",
            [("included_amount", None, -200), ("seconds", 40, 400)],
            [("seconds", 10, 100)],
        ),
        # 4.00 + 6.00; 7.00 + 3.00; 12.00 + 0.
        (
            "minimum",
            [("minimum_amount", None, -300), ("seconds", 30, 300)],
            [("minimum_amount", None, -300), ("seconds", 50, 500)],
        ),
        # 4.00; 7.00 - 2.00; 8.00 - 3.00.
        (
            "maximum",
            [("maximum_amount", None, -200), ("seconds", 30, 300)],
            [("maximum_amount", None, -100), ("seconds", 10, 100)],
        ),
        # The subscription has ended, its corrections have a statement all the same.
        ("ended", [("seconds", 100, 100)], [("seconds", 40, 40)]),
        # Nothing was approved, so there is no approved line: what it would have been is corrected.
        ("unused", [("seconds", 60, 60)], []),
        # 60 s at 0.01 approved; 160 s at 0.02; 200 s at 0.02.
        ("repriced", [("seconds", -60, -60), ("seconds", 160, 320)], [("seconds", 40, 80)]),
        # A link that is added later moves the usage of before.
        ("claimed", [("seconds", 50, 50)], []),
        # 3600 s until the timeout, but it had ended after 600 s.
        ("overrun", [("seconds", -3000, -3000)], []),
        # 86400 s until the longest session, but it ran on to 172800 s.
        ("capped", [("seconds", 86_400, 86_400)], []),
    ],
)
def test_corrections(
    history: History,
    account: str,
    late: list[tuple[str, int | None, int]],
    later: list[tuple[str, int | None, int]],
) -> None:
    """What becomes known late is on the next open statement: each time only what is new."""
    assert history.corrections("late", account) == [("2026-08", *each) for each in late]
    assert history.corrections("approved again", account) == []
    assert history.corrections("later", account) == [("2026-09", *each) for each in later]


def test_corrections_of_a_discounted_charge(history: History) -> None:
    """The usage and its discount are corrected, each line by itself."""

    # 3.00 - 0.30; 7.00 - 0.70; 8.00 - 0.80.
    def changes(step: str) -> list[tuple[Decimal | None, int]]:
        found = history.corrections(step, "discount")
        return sorted(((each[2], each[3]) for each in found), key=lambda each: each[1])

    assert changes("late") == [(None, -40), (40, 400)]
    assert changes("later") == [(None, -10), (10, 100)]


def test_credits_follow_the_corrections(history: History) -> None:
    """A correction draws what today's rating would have drawn from the credit, and no more."""

    # 3.00 drawn with July's approval; July is 7.00 by now and the grant of 5.00 covers 2.00 more;
    # then it is used up.
    def drawn(step: str) -> list[tuple[str, int, int]]:
        periods = {row["statement_id"]: row["period"] for row in history.statements[step]}
        return sorted(
            (periods[each["statement_id"]], each["applied_minor"], each["remaining_minor"])
            for each in history.credits[step]
        )

    assert drawn("approved") == [("2026-07", 300, 200)]
    assert drawn("late") == [("2026-07", 300, 200), ("2026-08", 200, 0)]
    assert drawn("later") == drawn("late")
    totals = {
        row["period"]: row["total_minor"]
        for row in history.statements["later"]
        if row["account_id"] == "credited"
    }
    # 3.00 - 3.00; 4.00 of corrections - 2.00; 1.00 of corrections.
    assert totals == {"2026-07": 0, "2026-08": 200, "2026-09": 100}


def test_a_correction_names_what_it_corrects(history: History) -> None:
    """It has the service period, the plan version and the id of the approved line it corrects."""
    approved = {line["charge_id"]: line for line in history.lines["approved"]}
    corrections = [line for line in history.lines["late"] if line["charge_class"] == "correction"]
    same = ("account_id", "subscription_id", "plan_version", "charge_key", "meter_id")
    without_original = set()
    for line in corrections:
        assert (line["period_start"], line["period_end"]) == (utc("2026-07-01"), utc("2026-08-01"))
        original = approved.get(line["corrects_charge_id"])
        if original is None:
            without_original.add((line["account_id"], line["charge_key"]))
        else:
            assert [line[name] for name in same] == [original[name] for name in same]
    # Nothing to correct had been approved: no usage, another price, an amount that did not bite.
    assert without_original == {
        ("unused", "seconds"),
        ("claimed", "seconds"),
        ("repriced", "seconds"),
        ("maximum", "maximum_amount"),
    }


def test_approved_lines_and_corrections_equal_a_fresh_rating(
    history: History, fresh: World
) -> None:
    """For each account, month and charge: what was ever asked for is what today's facts give."""
    query = """
        select account_id, charges.period_start, charge_key, meter_id, plan_version,
               coalesce(sum(quantity), 0) as quantity, sum(amount) as amount,
               sum(amount_minor)::bigint as amount_minor
        from marts.fct_charges as charges group by all
        having sum(amount) <> 0 or coalesce(sum(quantity), 0) <> 0 order by all
    """
    rated: list[dict[str, Any]] = fresh.query(query)
    assert len({row["account_id"] for row in rated}) == len(SECONDS) + 2
    assert history.world.query(query) == rated
    credits = """
        select credit_id, sum(applied_minor)::bigint as applied
        from marts.fct_credit_burndown group by 1
    """
    assert history.world.query(credits) == fresh.query(credits)


def test_a_rebuilt_warehouse_tells_the_same_history(history: History) -> None:
    """The ledger is all that a rebuild needs to give the same marts again."""
    before = history.world.digests()
    history.world.build(LATER, full_refresh=True)
    assert history.world.digests() == before
