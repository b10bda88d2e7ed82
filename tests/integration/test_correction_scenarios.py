"""Corrections of approved statements, one story each: before, what becomes known, after.

One history, told to some accounts. July is approved on 2 August. On 20 August something becomes
known about one of them. August, with that correction, is approved on 2 September. On 10 September,
40 days after July's end, everything else becomes known. September is approved on 2 October.
Nothing else is used in September, so that its statement shows corrections only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest
from world import START, Row, World, capture, charge, e2b, meters, plan, quantity, utc, version

from dagster_project.ledger import Ledger

pytestmark = pytest.mark.integration

JULY_APPROVED = "2026-08-02T12:00:00Z"
FIRST_NEWS = "2026-08-20T12:00:00Z"
AUGUST_APPROVED = "2026-09-02T12:00:00Z"
NEWS = "2026-09-10T12:00:00Z"
SEPTEMBER_APPROVED = "2026-10-02T12:00:00Z"
SETTLED = "2026-10-03T12:00:00Z"

PAID = "com.example.paid"
DIME = charge("units", "units", "0.10")
TIERED = charge(
    "units",
    "units",
    properties={
        "tiers": [
            {"up_to": "100", "unit_amount": "0.10", "flat_amount": "1.00"},
            {"up_to": None, "unit_amount": "0.05", "flat_amount": "2.00"},
        ]
    },
)
PACKAGE = {"model": "package", "properties": {"package_size": "100", "amount": "5"}}
PERCENT = {
    "model": "percentage",
    "properties": {"rate_percent": "1.3", "fixed_amount": "2", "free_units_per_events": 3},
}
COST = {"model": "dynamic", "properties": {"amount": "$.cost"}}
PAYMENT = {"charge_key": "paid", "meter_id": "paid"}

# A version that is published on 5 September and holds since some day of July.
PUBLISHED = "2026-09-05T00:00:00Z"
PLANS = {
    "cents": [version(START, [charge("seconds", "sandbox_seconds", "0.01")])],
    "dime": [version(START, [DIME])],
    "deal": [version(START, [DIME, charge("calls", "calls", "0.50")])],
    "retainer": [version(START, [], base_amount="31.00")],
    "annual": [version(START, [charge("units", "units", "0.08")], interval="year")],
    "minimum": [version(START, [DIME], minimum_amount="10.00")],
    "graduated": [version(START, [TIERED | {"model": "graduated"}])],
    "volume": [version(START, [TIERED | {"model": "volume"}])],
    "limits": [version(START, [DIME], included_amount="5.00", maximum_amount="8.00")],
    "discounted": [version(START, [DIME | {"percentage_discount": "10"}])],
    "package": [version(START, [charge("units", "units") | PACKAGE])],
    "percentage": [version(START, [PAYMENT | PERCENT])],
    "dynamic": [version(START, [PAYMENT | COST])],
}
BACKDATED = {
    "deal": version(
        "2026-07-20T00:00:00Z",
        [charge("units", "units", "0.08"), charge("calls", "calls", "0.50")],
        published_at=PUBLISHED,
    ),
    "retainer": version("2026-07-22T00:00:00Z", [], base_amount="62.00", published_at=PUBLISHED),
}

# Plan of each account, and its records of `quantities/`: day and units, by a name of its own.
Used = dict[str, tuple[str, str, str]]
ACCOUNTS: dict[str, tuple[str, Used]] = {
    "voided": ("dime", {"a": ("07-10", "units", "40"), "b": ("07-11", "units", "60")}),
    "replaced": ("dime", {"a": ("07-10", "units", "40"), "b": ("07-11", "units", "60")}),
    "dealt": (
        "deal",
        {
            "a": ("07-10", "units", "100"),
            "b": ("07-25", "units", "50"),
            "c": ("07-10", "calls", "3"),
            "d": ("08-10", "units", "30"),
        },
    ),
    "early": ("deal", {"a": ("07-10", "units", "100"), "b": ("07-19", "calls", "4")}),
    "neighbour": ("dime", {"a": ("07-25", "units", "50"), "b": ("08-10", "units", "30")}),
    "retained": ("retainer", {}),
    "shrinks": ("minimum", {"a": ("07-10", "units", "40")}),
    "vanishes": ("minimum", {"a": ("07-10", "units", "40")}),
    "appears": ("minimum", {"a": ("07-10", "units", "70"), "b": ("07-11", "units", "50")}),
    "graduated": ("graduated", {"a": ("07-10", "units", "80"), "b": ("07-11", "units", "80")}),
    "volume": ("volume", {"a": ("07-10", "units", "90"), "b": ("07-11", "units", "20")}),
    "returned": (
        "dime",
        {
            "a": ("07-10", "units", "20"),
            "b": ("07-11", "units", "60"),
            "c": ("08-10", "units", "10"),
        },
    ),
    "drawn": ("dime", {"a": ("07-10", "units", "30")}),
    "shifted": ("dime", {"a": ("07-10", "units", "30"), "b": ("08-10", "units", "20")}),
    "capped": ("limits", {"a": ("07-10", "units", "70")}),
    "uncapped": ("limits", {"a": ("07-10", "units", "40"), "b": ("07-11", "units", "60")}),
    "discounted": ("discounted", {"a": ("07-10", "units", "25")}),
    "package": ("package", {"a": ("07-10", "units", "250")}),
    "repacked": ("package", {"a": ("07-10", "units", "200"), "b": ("07-11", "units", "50")}),
    "percentage": ("percentage", {}),
    "dynamic": ("dynamic", {}),
    "twice": ("dime", {"a": ("07-10", "units", "100"), "b": ("08-10", "units", "50")}),
    "ended": ("dime", {"a": ("07-10", "units", "60")}),
    "removed": ("dime", {"a": ("07-10", "units", "30")}),
    "upgraded": ("dime", {"a": ("07-10", "units", "60"), "b": ("08-10", "units", "10")}),
    "switched": ("dime", {"a": ("07-10", "units", "60"), "b": ("08-10", "units", "10")}),
    "giver": ("cents", {}),
    "taker": ("cents", {}),
    "killed": ("cents", {}),
}
TWICE = {"late": ("07-12", "units", "20")}
LATE: dict[str, Used] = {
    "shrinks": {"late": ("07-12", "units", "30")},
    "vanishes": {"late": ("07-12", "units", "80")},
    "drawn": {"late": ("07-12", "units", "40")},
    "shifted": {"late": ("07-12", "units", "10")},
    "capped": {"late": ("07-12", "units", "30")},
    "discounted": {"late": ("07-12", "units", "10")},
    "package": {"late": ("07-12", "units", "60")},
    "twice": {"later": ("07-13", "units", "7")},
    "ended": {"late": ("07-12", "units", "40")},
    "upgraded": {"late": ("07-12", "units", "40")},
}
VOIDED = (
    "voided/b", "appears/b", "graduated/b", "volume/b", "returned/b", "uncapped/b", "repacked/b",
    "twice/late", "dynamic/3",
)  # fmt: skip
# Payments in order: what was paid, and what a dynamic price makes of it.
PAYMENTS = {
    "percentage": [("50", "0"), ("100", "0"), ("250", "0"), ("400", "0")],
    "dynamic": [("7", "0.70"), ("5", "0.55"), ("10", "2.20")],
}
CLASSES = (
    "usage", "base_fee", "included", "discount", "minimum_true_up", "maximum_cap",
)  # fmt: skip


def records(told: dict[str, Used]) -> list[Row]:
    """Rows of `quantities/`, named `<account>/<name>`."""
    return [
        quantity(f"{account}/{name}", account, meter, amount, at, at + timedelta(seconds=1))
        for account, used in told.items()
        for name, (day, meter, amount) in used.items()
        for at in [utc(f"2026-{day}T10:00:00")]
    ]


def payment(account: str, name: str, day: str, paid: str, cost: str) -> Row:
    """A CloudEvent of a payment."""
    return {
        "specversion": "1.0",
        "id": f"{account}/{name}",
        "source": "shop",
        "type": PAID,
        "subject": account,
        "time": f"2026-{day}T10:00:00Z",
        "data": {"paid": paid, "cost": cost},
    }


def correction(record_id: str, action: str = "void", amount: str = "") -> Row:
    """A line of corrections.csv, asked for on 10 September."""
    return {
        "correction_id": f"c-{record_id}",
        "record_id": record_id,
        "action": action,
        "quantity": amount,
        "reason": "wrong",
        "requested_by": "Ada",
        "requested_at": "2026-09-10T06:00:00Z",
    }


def prepare(world: World) -> None:
    """Everything that is known when July is approved, and what August uses."""
    paid = {"meter_id": "paid", "source": "events", "event_type": PAID, "unit": "dollar"}
    world.meters = [*meters("units", "calls"), paid | {"aggregation": "sum", "value": "$.paid"}]
    world.plans = [plan(name, *versions) for name, versions in PLANS.items()]
    for account, (plan_id, _) in ACCOUNTS.items():
        world.account(account, plan_id=None, links=account == "killed")
        end = "2026-08-01T00:00:00Z" if account in {"ended", "upgraded"} else ""
        world.subscribe(account, plan_id, "2026-07-01T00:00:00Z", end)
    world.subscribe("upgraded", "volume", "2026-08-01T00:00:00Z")
    for account in ("returned", "drawn", "shifted", "removed"):
        world.credits.append(
            {
                "credit_id": f"grant-{account}",
                "account_id": account,
                "amount": "5.00",
                "currency": "usd",
                "category": "paid",
                "priority": "",
                "effective_at": "2026-07-01T00:00:00Z",
                "expires_at": "",
                "meter_id": "",
            }
        )
    world.link("e2b", "metadata:customer", "wanderer", "giver")
    runs = (("2026-07-10", 1000), ("2026-07-25", 500), ("2026-08-05", 300))
    world.write(
        "e2b/early.ndjson",
        [
            e2b("created", "2026-07-31T20:00:00Z", "forgotten", customer="killed"),
            *(
                e2b("killed", f"{day}T10:00:00Z", f"wanderer-{day}", customer="wanderer",
                    ran_ms=1000 * seconds)
                for day, seconds in runs
            ),
        ],
    )  # fmt: skip
    world.write("quantities/early.csv", records({name: each[1] for name, each in ACCOUNTS.items()}))
    world.write(
        "cloudevents/early.jsonl",
        [
            payment(account, str(number), f"07-{10 + number}", *each)
            for account, told in PAYMENTS.items()
            for number, each in enumerate(told, start=1)
        ],
    )


def tell_first(world: World) -> None:
    """What becomes known on 20 August."""
    world.write("quantities/first.csv", records({"twice": TWICE}))


def tell(world: World) -> None:
    """What becomes known until 10 September."""
    kill = e2b("killed", "2026-07-31T21:00:00Z", "forgotten", customer="killed", ran_ms=3_600_000)
    world.write("e2b/late.ndjson", [capture(kill, "2026-09-10T06:00:00Z")])
    world.write("quantities/late.csv", records(LATE))
    world.write("cloudevents/late.jsonl", [payment("percentage", "0", "07-10", "20", "0")])
    voids = [correction(record_id) for record_id in VOIDED]
    world.write("corrections.csv", [*voids, correction("replaced/a", "replace", "15")])
    world.plans = [
        plan(name, *versions, *([BACKDATED[name]] if name in BACKDATED else []))
        for name, versions in PLANS.items()
    ]
    world.subscriptions = [
        each | ({"plan_id": "annual"} if each["account_id"] == "switched" else {})
        for each in world.subscriptions
        if each["account_id"] != "removed"
    ]
    world.links = [each for each in world.links if each["match_value"] != "wanderer"]
    moved_at = "2026-07-20T00:00:00Z"
    world.link("e2b", "metadata:customer", "wanderer", "giver", end=moved_at)
    world.link("e2b", "metadata:customer", "wanderer", "taker", moved_at)


Bill = tuple[int, int, int, str]
Change = tuple[str, str, str, Decimal | None, Decimal, int]


@dataclass
class Story:
    """The marts of each step, by the time of its build."""

    world: World
    statements: dict[str, list[Row]] = field(default_factory=dict)
    lines: dict[str, list[Row]] = field(default_factory=dict)
    uses: dict[str, list[Row]] = field(default_factory=dict)

    def step(self, now: str, approve: str = "") -> None:
        """Build, keep what the marts say, and approve a month if one is named."""
        self.world.build(now)
        query = self.world.query
        self.statements[now] = query("select * from marts.fct_statements order by statement_id")
        self.lines[now] = query("select * from marts.fct_charges order by charge_id")
        self.uses[now] = query("select * from marts.fct_credit_burndown order by all")
        if approve:
            self.world.approve(approve, now)

    def bill(self, now: str, account: str, month: str, number: int = 1) -> Bill:
        """Subtotal, credits, total and status of the statement of a month."""
        row = self._statement(now, account, month, number)
        assert row["total_minor"] == row["subtotal_minor"] - row["credits_minor"]
        own = [line for line in self.lines[now] if line["statement_id"] == row["statement_id"]]
        assert row["subtotal_minor"] == sum(line["amount_minor"] for line in own)
        return row["subtotal_minor"], row["credits_minor"], row["total_minor"], row["status"]

    def corrections(self, account: str, month: str = "2026-09", now: str = NEWS) -> list[Change]:
        """Corrections on the statement of a month: what they correct, and by how much.

        The service month, the class and key of the corrected line, `*` if it had not been approved,
        then the differences. The plan version follows the key if it is not the first.
        """
        statement = self._statement(now, account, month)
        approved = {line["charge_id"] for line in self.lines[FIRST_NEWS] + self.lines[NEWS]
                    if line["charge_class"] != "correction"
                    and line["statement_id"] in self.approved(now)}  # fmt: skip
        found = []
        for line in self.lines[now]:
            if line["statement_id"] != statement["statement_id"]:
                continue
            if line["charge_class"] != "correction":
                assert line["corrects_charge_id"] is None
                continue
            service = f"{line['period_start']:%Y-%m}"
            corrected = self._statement(now, account, service)
            assert line["period_end"] == corrected["period_end"]
            assert line["account_id"] == account
            [charge_class] = [
                each for each in CLASSES
                if charge_id(corrected["statement_id"], line, each) == line["corrects_charge_id"]
            ]  # fmt: skip
            key = line["charge_key"]
            if not line["plan_version"].startswith(START[:10]):
                key += f" {line['plan_version'][:10]}"
            if line["corrects_charge_id"] not in approved:
                key += " *"
            found.append((service, charge_class, key, line["quantity"], line["amount"],
                          line["amount_minor"]))  # fmt: skip
        return sorted(found, key=lambda each: each[:3])

    def approved(self, now: str) -> dict[str, Row]:
        """The approved statements, each with its lines and credits."""
        return {
            row["statement_id"]: row
            | {
                name: [each for each in told if each["statement_id"] == row["statement_id"]]
                for name, told in (("lines", self.lines[now]), ("uses", self.uses[now]))
            }
            for row in self.statements[now]
            if row["status"] == "approved"
        }

    def _statement(self, now: str, account: str, month: str, number: int = 1) -> Row:
        [row] = [
            row
            for row in self.statements[now]
            if (row["subscription_id"], row["period"]) == (f"sub-{account}-{number}", month)
        ]
        return row


def charge_id(statement_id: str, line: Row, charge_class: str) -> str:
    """The id of a line as the contract has it: statement, version, key, meter and class."""
    meter = line["meter_id"] or ""
    parts = (statement_id, line["plan_version"], line["charge_key"], meter, charge_class)
    return "ch_" + hashlib.md5("|".join(parts).encode()).hexdigest()


@pytest.fixture(scope="module")
def story(new_world: Callable[[], World]) -> Story:
    """The whole history."""
    story = Story(new_world())
    prepare(story.world)
    story.step(JULY_APPROVED, "2026-07")
    tell_first(story.world)
    story.step(FIRST_NEWS)
    story.step(AUGUST_APPROVED, "2026-08")
    tell(story.world)
    story.step(NEWS)
    story.step(SEPTEMBER_APPROVED, "2026-09")
    # The statements that only corrections brought about, after their month was approved.
    story.world.approve("2026-08", SEPTEMBER_APPROVED)
    story.step(SETTLED)
    return story


def change(month: str, what: str, key: str, amount: str, units: str | None = None) -> Change:
    """A correction whose exact amount is whole cents."""
    quantity = None if units is None else Decimal(units)
    return f"2026-{month}", what, key, quantity, Decimal(amount), int(Decimal(amount) * 100)


def usage(month: str, key: str, units: str, amount: str) -> Change:
    """A correction of a usage line."""
    return change(month, "usage", key, amount, units)


def assert_only(
    story: Story, account: str, before: Bill, changes: list[Change], total: int
) -> None:
    """July was approved as `before`; September has these corrections and, without credits, nothing
    else, and comes to `total`.
    """
    assert story.bill(FIRST_NEWS, account, "2026-07") == before
    assert story.bill(AUGUST_APPROVED, account, "2026-09") == (0, 0, 0, "open")
    assert story.corrections(account) == changes
    assert story.bill(NEWS, account, "2026-09") == (total, 0, total, "open")
    assert total == sum(each[-1] for each in changes)
    assert story.bill(NEWS, account, "2026-07") == before


# --- What was approved -----------------------------------------------------------------------


def test_approved_statements_never_change(story: Story) -> None:
    """Row, digest, lines and credits of an approved statement are the same at each later step."""
    july = story.approved(FIRST_NEWS)
    assert len(july) == len(ACCOUNTS)
    august = story.approved(NEWS)
    # That of the ended subscriptions began only with their corrections.
    assert len(august) == 2 * len(ACCOUNTS) - 1
    settled = story.approved(SETTLED)
    for now, then in ((AUGUST_APPROVED, july), (NEWS, july), (SETTLED, july), (SETTLED, august)):
        found = story.approved(now)
        assert {key: found[key] for key in then} == then
    # One has a year by then, which is open.
    assert len(settled) == 3 * len(ACCOUNTS) - 1
    ledger = Ledger(story.world.settings(utc(SETTLED)).ledger_url)
    try:
        ledger.verify()
    finally:
        ledger.close()


def test_what_was_corrected_is_settled(story: Story) -> None:
    """Once the corrections are approved, nothing is left, and a full refresh tells the same.

    Only a year that has not ended still has its corrections.
    """
    approved = story.approved(SETTLED)
    corrections = [line for line in story.lines[SETTLED] if line["charge_class"] == "correction"]
    left = [line for line in corrections if line["statement_id"] not in approved]
    assert [line["account_id"] for line in left] == ["switched", "switched"]
    assert [use for use in story.uses[SETTLED] if use["statement_id"] not in approved] == []
    before = story.world.digests()
    story.world.build(SETTLED, full_refresh=True)
    assert story.world.digests() == before


# --- Late, voided and replaced ---------------------------------------------------------------


def test_a_kill_comes_forty_days_late(story: Story) -> None:
    """A run without an end was taken to last 24 hours; it had lasted one."""
    # 20:00 to midnight: 14,400 s at 0.01 in July; then 20 h: 72,000 s in August.
    assert story.bill(FIRST_NEWS, "killed", "2026-07") == (14_400, 0, 14_400, "approved")
    assert story.bill(NEWS, "killed", "2026-08") == (72_000, 0, 72_000, "approved")
    # 20:00 to 21:00: 3,600 - 14,400 = -10,800 s; 0 - 72,000 s.
    assert story.corrections("killed") == [
        usage("07", "seconds", "-10800", "-108"),
        usage("08", "seconds", "-72000", "-720"),
    ]
    assert story.bill(AUGUST_APPROVED, "killed", "2026-09") == (0, 0, 0, "open")
    assert story.bill(NEWS, "killed", "2026-09") == (-82_800, 0, -82_800, "open")


def test_a_record_is_voided(story: Story) -> None:
    """40 + 60 units at 0.10; without the 60: 4.00."""
    changes = [usage("07", "units", "-60", "-6")]
    assert_only(story, "voided", (1000, 0, 1000, "approved"), changes, -600)


def test_a_record_is_replaced(story: Story) -> None:
    """40 + 60 units at 0.10; 15 instead of 40: 7.50."""
    changes = [usage("07", "units", "-25", "-2.50")]
    assert_only(story, "replaced", (1000, 0, 1000, "approved"), changes, -250)


# --- Prices of the past ----------------------------------------------------------------------


def test_a_backdated_contract_restates_its_plan_and_time_only(story: Story) -> None:
    """0.08 instead of 0.10 from 20 July on, published on 5 September."""
    # 150 x .10 + 3 x .50 = 16.50; 30 x .10 = 3.00.
    assert story.bill(FIRST_NEWS, "dealt", "2026-07") == (1650, 0, 1650, "approved")
    assert story.bill(NEWS, "dealt", "2026-08") == (300, 0, 300, "approved")
    # The 50 units after the 20th leave their line and are 4.00 in one of the new version; so are
    # the 30 of August: 2.40. The calls of the 10th are no line of the new version.
    assert story.corrections("dealt") == [
        usage("07", "units", "-50", "-5"),
        usage("07", "units 2026-07-20 *", "50", "4"),
        usage("08", "units", "-30", "-3"),
        usage("08", "units 2026-07-20 *", "30", "2.40"),
    ]
    assert story.bill(NEWS, "dealt", "2026-09") == (-160, 0, -160, "open")
    # The same plan before the 20th: 100 x .10 + 4 x .50; another plan after it: 50 x .10.
    assert_only(story, "early", (1200, 0, 1200, "approved"), [], 0)
    assert_only(story, "neighbour", (500, 0, 500, "approved"), [], 0)


def test_a_backdated_fee_is_prorated(story: Story) -> None:
    """31.00 a month, and 62.00 from 22 July on."""
    assert story.bill(FIRST_NEWS, "retained", "2026-07") == (3100, 0, 3100, "approved")
    assert story.bill(NEWS, "retained", "2026-08") == (3100, 0, 3100, "approved")
    # 21 of 31 days at 31.00: 21.00; 10 of 31 days at 62.00: 20.00. August: 62.00.
    assert story.corrections("retained") == [
        change("07", "base_fee", "base_fee", "-10"),
        change("07", "base_fee", "base_fee 2026-07-22 *", "20"),
        change("08", "base_fee", "base_fee", "-31"),
        change("08", "base_fee", "base_fee 2026-07-22 *", "62"),
    ]
    # September's own 62.00 (31.00 before), and 10.00 + 31.00.
    assert story.bill(AUGUST_APPROVED, "retained", "2026-09") == (3100, 0, 3100, "open")
    assert story.bill(NEWS, "retained", "2026-09") == (10_300, 0, 10_300, "open")


def test_a_contract_that_was_yearly_all_along(story: Story) -> None:
    """Two months at 0.10 were approved; by now both are part of an open year at 0.08."""
    assert story.bill(FIRST_NEWS, "switched", "2026-07") == (600, 0, 600, "approved")
    assert story.bill(NEWS, "switched", "2026-08") == (100, 0, 100, "approved")
    assert story.corrections("switched", "2026-01") == [
        usage("07", "units", "-60", "-6"),
        usage("08", "units", "-10", "-1"),
    ]
    # 70 x .08 = 5.60, less 7.00.
    assert story.bill(NEWS, "switched", "2026-01") == (-140, 0, -140, "open")


# --- Another account -------------------------------------------------------------------------


def test_a_customer_moves_between_accounts(story: Story) -> None:
    """1,000 s before 20 July stay; 500 s of July and 300 s of August change hands."""
    assert story.bill(FIRST_NEWS, "giver", "2026-07") == (1500, 0, 1500, "approved")
    assert story.bill(NEWS, "giver", "2026-08") == (300, 0, 300, "approved")
    assert story.bill(FIRST_NEWS, "taker", "2026-07") == (0, 0, 0, "approved")
    assert story.bill(NEWS, "taker", "2026-08") == (0, 0, 0, "approved")
    assert story.corrections("giver") == [
        usage("07", "seconds", "-500", "-5"),
        usage("08", "seconds", "-300", "-3"),
    ]
    assert story.corrections("taker") == [
        usage("07", "seconds *", "500", "5"),
        usage("08", "seconds *", "300", "3"),
    ]
    assert story.bill(NEWS, "giver", "2026-09") == (-800, 0, -800, "open")
    assert story.bill(NEWS, "taker", "2026-09") == (800, 0, 800, "open")


# --- Minimum, tiers, limits ------------------------------------------------------------------


def test_a_minimum_shrinks(story: Story) -> None:
    """4.00 + 6.00; 7.00 + 3.00."""
    changes = [
        change("07", "minimum_true_up", "minimum_amount", "-3"),
        usage("07", "units", "30", "3"),
    ]
    july = (1000, 0, 1000, "approved")
    # Each month without usage has the whole minimum; September's is owed when it has ended.
    assert story.bill(NEWS, "shrinks", "2026-08") == july
    assert_only(story, "shrinks", july, changes, 0)


def test_a_minimum_vanishes(story: Story) -> None:
    """4.00 + 6.00; 12.00."""
    changes = [
        change("07", "minimum_true_up", "minimum_amount", "-6"),
        usage("07", "units", "80", "8"),
    ]
    assert_only(story, "vanishes", (1000, 0, 1000, "approved"), changes, 200)


def test_a_minimum_appears(story: Story) -> None:
    """12.00; 7.00 + 3.00."""
    changes = [
        change("07", "minimum_true_up", "minimum_amount *", "3"),
        usage("07", "units", "-50", "-5"),
    ]
    assert_only(story, "appears", (1200, 0, 1200, "approved"), changes, -200)


def test_a_graduated_tier_is_left(story: Story) -> None:
    """100 x .10 + 1.00 + 60 x .05 + 2.00 = 16.00; 80 x .10 + 1.00 = 9.00."""
    changes = [usage("07", "units", "-80", "-7")]
    # Without a unit, the flat amount of the first tier: 1.00 in August, and in September.
    assert story.bill(NEWS, "graduated", "2026-08") == (100, 0, 100, "approved")
    assert story.bill(FIRST_NEWS, "graduated", "2026-07") == (1600, 0, 1600, "approved")
    assert story.corrections("graduated") == changes
    assert story.bill(AUGUST_APPROVED, "graduated", "2026-09") == (100, 0, 100, "open")
    assert story.bill(NEWS, "graduated", "2026-09") == (-600, 0, -600, "open")


def test_a_volume_tier_is_left(story: Story) -> None:
    """110 x .05 + 2.00 = 7.50; 90 x .10 + 1.00 = 10.00: less was used and more is owed."""
    assert story.bill(FIRST_NEWS, "volume", "2026-07") == (750, 0, 750, "approved")
    assert story.corrections("volume") == [usage("07", "units", "-20", "2.50")]
    assert story.bill(AUGUST_APPROVED, "volume", "2026-09") == (100, 0, 100, "open")
    assert story.bill(NEWS, "volume", "2026-09") == (350, 0, 350, "open")


def test_late_usage_reaches_the_maximum(story: Story) -> None:
    """7.00 - 5.00 included; 10.00 - 2.00 above the maximum - 5.00 included."""
    changes = [
        change("07", "maximum_cap", "maximum_amount *", "-2"),
        usage("07", "units", "30", "3"),
    ]
    assert_only(story, "capped", (200, 0, 200, "approved"), changes, 100)


def test_a_void_leaves_the_maximum_and_part_of_what_is_included(story: Story) -> None:
    """10.00 - 2.00 above the maximum - 5.00 included; 4.00 - 4.00 included."""
    changes = [
        change("07", "included", "included_amount", "1"),
        change("07", "maximum_cap", "maximum_amount", "2"),
        usage("07", "units", "-60", "-6"),
    ]
    assert_only(story, "uncapped", (300, 0, 300, "approved"), changes, -300)


def test_a_discount_is_corrected_beside_its_charge(story: Story) -> None:
    """2.50 - 0.25; 3.50 - 0.35."""
    changes = [
        change("07", "discount", "units", "-0.10"),
        usage("07", "units", "10", "1"),
    ]
    assert_only(story, "discounted", (225, 0, 225, "approved"), changes, 90)


# --- Credits ---------------------------------------------------------------------------------


def test_a_smaller_statement_gives_credit_back(story: Story) -> None:
    """8.00 in July took all of 5.00, so August paid its 1.00 itself."""
    assert story.bill(FIRST_NEWS, "returned", "2026-07") == (800, 500, 300, "approved")
    assert story.bill(NEWS, "returned", "2026-08") == (100, 0, 100, "approved")
    assert story.corrections("returned") == [usage("07", "units", "-60", "-6")]
    # Today July's 2.00 and August's 1.00 draw 3.00: 2.00 of the 5.00 come back.
    assert story.bill(NEWS, "returned", "2026-09") == (-600, -200, -400, "open")
    assert uses(story, "grant-returned") == [("2026-07", 500, 0), ("2026-09", -200, 200)]


def test_a_larger_statement_draws_what_is_left(story: Story) -> None:
    """3.00 of 5.00 in July; 7.00 today draw the other 2.00, and the rest is owed."""
    assert story.bill(FIRST_NEWS, "drawn", "2026-07") == (300, 300, 0, "approved")
    assert story.corrections("drawn") == [usage("07", "units", "40", "4")]
    assert story.bill(NEWS, "drawn", "2026-09") == (400, 200, 200, "open")
    assert uses(story, "grant-drawn") == [("2026-07", 300, 200), ("2026-09", 200, 0)]


def test_a_credit_that_is_used_up_pays_no_more(story: Story) -> None:
    """3.00 in July and 2.00 in August; today 4.00 and 1.00: the same 5.00, and 1.00 is owed."""
    assert story.bill(FIRST_NEWS, "shifted", "2026-07") == (300, 300, 0, "approved")
    assert story.bill(NEWS, "shifted", "2026-08") == (200, 200, 0, "approved")
    assert story.corrections("shifted") == [usage("07", "units", "10", "1")]
    assert story.bill(NEWS, "shifted", "2026-09") == (100, 0, 100, "open")
    assert uses(story, "grant-shifted") == [("2026-07", 300, 200), ("2026-08", 200, 0)]


def uses(story: Story, credit_id: str, now: str = NEWS) -> list[tuple[str, int, int]]:
    """Month, amount and what is left then of each use of a credit."""
    months = {row["statement_id"]: row["period"] for row in story.statements[now]}
    return sorted(
        (months[use["statement_id"]], use["applied_minor"], use["remaining_minor"])
        for use in story.uses[now]
        if use["credit_id"] == credit_id
    )


# --- Prices of packages and of events --------------------------------------------------------


def test_late_usage_begins_a_package(story: Story) -> None:
    """250 units are 3 packages at 5.00, 310 are 4."""
    changes = [usage("07", "units", "60", "5")]
    assert_only(story, "package", (1500, 0, 1500, "approved"), changes, 500)


def test_a_void_takes_a_package_back(story: Story) -> None:
    """250 units are 3 packages at 5.00, 200 are 2."""
    changes = [usage("07", "units", "-50", "-5")]
    assert_only(story, "repacked", (1500, 0, 1500, "approved"), changes, -500)


def test_a_late_event_is_one_of_the_free_ones(story: Story) -> None:
    """1.3 percent and 2.00 an event, the first three free: 50, 100 and 250, then 400: 7.20."""
    # The late 20 comes first: 20, 50 and 100 are free; 250 is 3.25 + 2.00, 400 is 5.20 + 2.00.
    changes = [usage("07", "paid", "20", "5.25")]
    assert_only(story, "percentage", (720, 0, 720, "approved"), changes, 525)


def test_an_event_that_told_its_amount_is_voided(story: Story) -> None:
    """0.70 + 0.55 + 2.20 for 22 units; without the last one 12 units and 1.25."""
    changes = [usage("07", "paid", "-10", "-2.20")]
    assert_only(story, "dynamic", (345, 0, 345, "approved"), changes, -220)


# --- More than once, and after the end -------------------------------------------------------


def test_a_correction_of_what_was_corrected(story: Story) -> None:
    """100 units approved; 20 more on August, approved; then those are voided, and 7 come."""
    assert story.bill(FIRST_NEWS, "twice", "2026-07") == (1000, 0, 1000, "approved")
    first = [usage("07", "units", "20", "2")]
    assert story.corrections("twice", "2026-08", FIRST_NEWS) == first
    # 50 x .10 of its own and 2.00.
    assert story.bill(NEWS, "twice", "2026-08") == (700, 0, 700, "approved")
    assert story.corrections("twice", "2026-08") == first
    # 107 units today, less 100, less 20.
    assert story.corrections("twice") == [usage("07", "units", "-13", "-1.30")]
    assert story.bill(NEWS, "twice", "2026-09") == (-130, 0, -130, "open")


@pytest.mark.parametrize("account", ["ended", "upgraded"])
def test_a_subscription_that_has_ended(story: Story, account: str) -> None:
    """Its corrections stand on a statement of its own, of the period after its last one.

    Whether the account has another subscription by then is no matter.
    """
    assert story.bill(FIRST_NEWS, account, "2026-07") == (600, 0, 600, "approved")
    assert [
        row["period"]
        for row in story.statements[AUGUST_APPROVED]
        if row["subscription_id"] == f"sub-{account}-1"
    ] == ["2026-07"]
    assert story.corrections(account, "2026-08") == [usage("07", "units", "40", "4")]
    # August has ended, so that it can be approved at once; it was, on 2 October.
    assert story.bill(NEWS, account, "2026-08") == (400, 0, 400, "closed")
    assert story.bill(SETTLED, account, "2026-08") == (400, 0, 400, "approved")


def test_a_subscription_that_is_told_no_more(story: Story) -> None:
    """30 units at 0.10 had been paid by a credit: both are given back, and the issue names it."""
    assert story.bill(FIRST_NEWS, "removed", "2026-07") == (300, 300, 0, "approved")
    assert story.corrections("removed") == [usage("07", "units", "-30", "-3")]
    assert story.bill(NEWS, "removed", "2026-09") == (-300, -300, 0, "open")
    assert uses(story, "grant-removed") == [("2026-07", 300, 200), ("2026-09", -300, 500)]
    issues = story.world.query(
        "select execution_id, started_at, ended_at from marts.fct_usage_issues"
        " where issue = 'approved_subscription_gone'"
    )
    # Of 2026: July, August and, by the last step, September are approved.
    assert issues == [
        {
            "execution_id": "sub-removed-1",
            "started_at": utc("2026-07-01T00:00:00Z"),
            "ended_at": utc("2026-10-01T00:00:00Z"),
        }
    ]


def test_the_subscription_after_it_is_left_alone(story: Story) -> None:
    """10 x .10 + 1.00 in August, and the flat amount without usage in September."""
    assert story.bill(NEWS, "upgraded", "2026-08", 2) == (200, 0, 200, "approved")
    assert story.bill(NEWS, "upgraded", "2026-09", 2) == (100, 0, 100, "open")
