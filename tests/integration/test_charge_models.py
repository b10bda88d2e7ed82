"""Every charge model from the landing zone to the bill, in one world that is built once.

The golden cases are public examples of billing products and cases worked by hand, with the
arithmetic beside them. Each stands in the world three times: told at once, told in parts where the
model does not look at records one by one, and under a plan that publishes new versions with the
same prices. The random ones are compared with a plain model of the rules, in fractions and without
the product's code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_prices import (
    MODELS,
    PAID,
    ROUNDED,
    all_meters,
    decimals,
    priced,
    random_charge,
    random_tiers,
)
from world import START, Row, World, plan, quantity, text_of, utc, version

pytestmark = pytest.mark.integration

NewWorld = Callable[[], World]

NOW = "2026-09-02T00:00:00"
FIRST = utc("2026-08-03T00:00:00")
SECOND = timedelta(seconds=1)
VERSIONS = (START, "2026-08-04T12:00:00Z", "2026-08-05T00:00:00Z")


def tiers(*rows: tuple[Any, ...]) -> list[Row]:
    """Tiers from (up_to, unit_amount, flat_amount)."""
    return [
        {"up_to": up_to, "unit_amount": unit, "flat_amount": flat} for up_to, unit, flat in rows
    ]


@dataclass(frozen=True)
class Golden:
    """What one charge makes of one period: used by record, in order, and what is billed."""

    charge: Row
    used: Sequence[str | tuple[str, Any]]
    amount: str
    # quantity, unit_amount and flat_amount of each tier, where the case is about them.
    tiers: Sequence[tuple[str, str, str]] = field(default=())

    @property
    def looks_at_events(self) -> bool:
        """Whether the number of records matters, so that they must not be told in parts."""
        return self.charge["meter_id"] in {"paid", "calls"}


# Fonts a month at 7, 6.50 from the sixth and 6 from the eleventh.
FONTS = tiers((5, "7", "0"), (10, "6.50", "0"), (None, "6", "0"))
FEES = tiers((5, "7", "1"), (10, "6.50", "2"), (None, "6", "3"))
# Percent of what is paid: 1.3 and 2 a transaction, the first 3 free, or the first 250.
LAGO: Row = {"rate_percent": "1.3", "fixed_amount": "2.0"}
PAYMENTS = ["50", "100", "250", "400"]
LIMITED: Row = {
    "rate_percent": "1",
    "per_transaction_min_amount": "1.75",
    "per_transaction_max_amount": "12",
}
LARGE = ["100", "1000", "10000"]

GOLDEN = {
    # Stripe, tiered pricing: the documented totals of both modes.
    "stripe_graduated_1": Golden(priced("graduated", tiers=FONTS), ["1"], "7"),
    "stripe_graduated_5": Golden(priced("graduated", tiers=FONTS), ["5"], "35"),
    # 5 * 7 + 1 * 6.50
    "stripe_graduated_6": Golden(
        priced("graduated", tiers=FONTS), ["6"], "41.5", [("5", "7", "0"), ("1", "6.5", "0")]
    ),
    # 5 * 7 + 5 * 6.50 + 10 * 6, and 15 * 6
    "stripe_graduated_20": Golden(priced("graduated", tiers=FONTS), ["20"], "127.5"),
    "stripe_graduated_25": Golden(priced("graduated", tiers=FONTS), ["25"], "157.5"),
    "stripe_volume_1": Golden(priced("volume", tiers=FONTS), ["1"], "7"),
    "stripe_volume_5": Golden(priced("volume", tiers=FONTS), ["5"], "35"),
    "stripe_volume_6": Golden(priced("volume", tiers=FONTS), ["6"], "39", [("6", "6.5", "0")]),
    "stripe_volume_20": Golden(priced("volume", tiers=FONTS), ["20"], "120"),
    "stripe_volume_25": Golden(priced("volume", tiers=FONTS), ["25"], "150"),
    # Just above an edge is in the next tier: 5 * 7 + 0.000001 * 6.50, and 5.000001 * 6.50.
    "above_graduated": Golden(priced("graduated", tiers=FONTS), ["5.000001"], "35.0000065"),
    "above_volume": Golden(priced("volume", tiers=FONTS), ["5.000001"], "32.5000065"),
    # Flat amounts: of each tier with units (35 + 1 + 6.50 + 2), of the tier reached (39 + 2).
    "flat_graduated": Golden(priced("graduated", tiers=FEES), ["6"], "44.5"),
    "flat_volume": Golden(priced("volume", tiers=FEES), ["6"], "41"),
    "zero_graduated": Golden(priced("graduated", tiers=FEES), [], "1", [("0", "7", "1")]),
    "zero_volume": Golden(priced("volume", tiers=FEES), [], "1", [("0", "7", "1")]),
    "zero_waived": Golden(priced("graduated", tiers=FEES, zero_usage="no_charge"), [], "0"),
    # All of it included is no unit at all.
    "zero_included": Golden(priced("volume", tiers=FEES) | {"included_quantity": 9}, ["9"], "1"),
    # Requests: 1,000 at 0.01, 9,000 at 0.008 and 5,000 at 0.005 are 10 + 72 + 25.
    "requests": Golden(
        priced(
            "graduated",
            tiers=tiers((1000, "0.01", "0"), (10000, "0.008", "0"), (None, "0.005", "0")),
        ),
        ["15000"],
        "107",
    ),
    # Lago, package: 5 for each 100, the first 100 free; 201 are free, 5 and 5 for the one begun.
    "lago_package_201": Golden(
        priced("package", package_size=100, amount="5", free_units=100),
        ["201"],
        "10",
        [("100", "0", "0"), ("101", "0", "10")],
    ),
    "lago_package_100": Golden(
        priced("package", package_size=100, amount="5", free_units=100), ["100"], "0"
    ),
    "package_down": Golden(
        priced("package", package_size=100, amount="5", rounding="down"),
        ["250"],
        "10",
        [("250", "0", "10")],
    ),
    "package_zero": Golden(priced("package", package_size=100, amount="5"), [], "0"),
    # Packages of half a unit: 1.25 are two and a half, so 3.
    "package_fraction": Golden(
        priced("package", package_size="0.5", amount="0.1"), ["1.25"], "0.3"
    ),
    # 350 of which 300 are included leave 50: one package.
    "package_included": Golden(
        priced("package", package_size=100, amount="5") | {"included_quantity": 300},
        ["350"],
        "5",
        [("300", "0", "0"), ("50", "0", "5")],
    ),
    # ceil(1000 / 300) * 2 + ceil(200 / 500) * 3 = 8 + 3
    "graduated_package": Golden(
        priced(
            "graduated_package",
            tiers=[
                {"up_to": 1000, "package_size": 300, "amount": "2"},
                {"up_to": None, "package_size": 500, "amount": "3"},
            ],
        ),
        ["1200"],
        "11",
        [("1000", "0", "8"), ("200", "0", "3")],
    ),
    # Flexprice: 4,500 calls are 4.5 packages of the first tier, so 5 at 1.00.
    "flexprice_volume_package": Golden(
        priced(
            "volume_package",
            tiers=[
                {"up_to": 10000, "package_size": 1000, "amount": "1.00"},
                {"up_to": None, "package_size": 5000, "amount": "4.00"},
            ],
        ),
        ["4500"],
        "5",
    ),
    # Lago, graduated percentage: 205 for 500, 306 for the next 550 and 80 for 4,000 more.
    "lago_graduated_percentage": Golden(
        priced(
            "graduated_percentage",
            "paid",
            tiers=[
                {"up_to": 1000, "rate_percent": "1", "flat_amount": "200"},
                {"up_to": 10000, "rate_percent": "2", "flat_amount": "300"},
                {"up_to": None, "rate_percent": "3", "flat_amount": "400"},
            ],
        ),
        ["500", "550", "4000"],
        "591",
        [("1000", "0.01", "200"), ("4050", "0.02", "300")],
    ),
    "graduated_percentage_zero": Golden(
        priced(
            "graduated_percentage",
            tiers=[{"up_to": None, "rate_percent": "1", "flat_amount": "200"}],
        ),
        [],
        "0",
    ),
    # Lago, percentage. (800 - 250) * 1.3 % + 2 * 2: the third payment passes 250, which is less
    # than the 400 of the first three.
    "lago_both": Golden(
        priced(
            "percentage",
            "paid",
            **LAGO,
            free_units_per_events=3,
            free_units_per_total_aggregation="250.0",
        ),
        PAYMENTS,
        "11.15",
        [("250", "0", "0"), ("550", "0.013", "4")],
    ),
    # (800 - 400) * 1.3 % + 1 * 2, also where 500 would be free: the smaller of the two counts.
    "lago_events": Golden(
        priced("percentage", "paid", **LAGO, free_units_per_events=3), PAYMENTS, "7.2"
    ),
    "lago_smaller": Golden(
        priced(
            "percentage",
            "paid",
            **LAGO,
            free_units_per_events=3,
            free_units_per_total_aggregation="500",
        ),
        PAYMENTS,
        "7.2",
    ),
    # Nothing is free: 800 * 1.3 % + 4 * 2.
    "lago_none_free": Golden(priced("percentage", "paid", **LAGO), PAYMENTS, "18.4"),
    # Three events of 50, 100 and 250, five free.
    "lago_all_free": Golden(
        priced("percentage", "paid", **LAGO, free_units_per_events=5), PAYMENTS[:3], "0"
    ),
    # 1.75 for 1 percent of 100, 10, and 12 for 100.
    "lago_limits": Golden(priced("percentage", "paid", **LIMITED), LARGE, "23.75"),
    # 1 + 1, 10 + 1, and 12 for 101.
    "lago_limits_fixed": Golden(
        priced("percentage", "paid", **LIMITED, fixed_amount="1.0"), LARGE, "25"
    ),
    "lago_limits_events": Golden(
        priced("percentage", "paid", **LIMITED, free_units_per_events=2), LARGE, "12"
    ),
    # (1,100 - 300) * 1 % and 12.
    "lago_limits_free": Golden(
        priced("percentage", "paid", **LIMITED, free_units_per_total_aggregation="300"), LARGE, "20"
    ),
    # 11,100 - 10,000 at 1 %.
    "lago_limits_both": Golden(
        priced(
            "percentage",
            "paid",
            **LIMITED,
            free_units_per_events=3,
            free_units_per_total_aggregation="10000",
        ),
        LARGE,
        "11",
    ),
    # Card payments: 2.9 percent and 0.30 each, of 20 and 80.
    "cards": Golden(
        priced("percentage", "paid", rate_percent="2.9", fixed_amount="0.30"), ["20", "80"], "3.5"
    ),
    # A refund takes back its rate: 100 are 1 and 0.50, 40 back are 0.40; what was free stays free.
    "refund": Golden(
        priced("percentage", "paid", rate_percent="1", fixed_amount="0.5"), ["100", "-40"], "1.1"
    ),
    "refund_of_free": Golden(
        priced(
            "percentage",
            "paid",
            rate_percent="1",
            fixed_amount="0.5",
            free_units_per_total_aggregation=100,
        ),
        ["100", "-40", "50"],
        # 110 reach 10 above 100.
        "0.6",
    ),
    # The first 90 are included: what remains is 10 of the first payment and 50, both transactions.
    "percentage_included": Golden(
        priced("percentage", "paid", rate_percent="1", fixed_amount="0.5")
        | {"included_quantity": 90},
        ["100", "50"],
        "1.6",
        [("90", "0", "0"), ("60", "0.01", "1")],
    ),
    # Records of quantities/ are transactions too.
    "percentage_records": Golden(priced("percentage", "units", **LIMITED), ["100"], "1.75"),
    # Nothing looks at single events: 800 less 500, at 1.2 percent.
    "percentage_of_the_period": Golden(
        priced("percentage", rate_percent="1.2", free_units_per_total_aggregation=500),
        ["800"],
        "3.6",
        [("500", "0", "0"), ("300", "0.012", "0")],
    ),
    # OpenMeter, dynamic: what was paid times 1.2.
    "openmeter_markup": Golden(
        priced("percentage", "paid", rate_percent="120"), ["10", "2.5"], "15"
    ),
    # Lago, dynamic: 7, 5 and 10 units that say 0.70, 0.55 and 2.20.
    "lago_dynamic": Golden(
        priced("dynamic", "paid", amount="$.cost"),
        [("7", "0.70"), ("5", "0.55"), ("10", "2.20")],
        "3.45",
        [("22", "0", "3.45")],
    ),
    "dynamic_without_units": Golden(
        priced("dynamic", "paid", amount="$.cost"), [("0", "0.25")], "0.25", [("0", "0", "0.25")]
    ),
    "dynamic_counted": Golden(
        priced("dynamic", "calls", amount="$.cost"),
        [("7", "0.1"), ("7", 0.25)],
        "0.35",
        [("2", "0", "0.35")],
    ),
    # OpenMeter, usage discount: 500 of 300, 250 and 100 cost nothing, 150 are left.
    "openmeter_usage_discount": Golden(
        priced("standard", unit_amount="0.1") | {"included_quantity": 500},
        ["300", "250", "100"],
        "15",
    ),
    # Stripe, transform_quantity: by 5, rounded up: 8 are 2 packs of 10.
    "transform_up": Golden(
        priced("standard", unit_amount="10")
        | {"transform": {"operation": "divide", "factor": 5, "rounding": "up"}},
        ["8"],
        "20",
        [("2", "10", "0")],
    ),
    # Each 0.4 of a thousand is rounded with the period only: 400 and 400 are 0.8, so 1.
    "transform_half_up": Golden(
        priced("standard", unit_amount="3")
        | {"transform": {"operation": "divide", "factor": 1000, "rounding": "half_up"}},
        ["400", "400"],
        "3",
    ),
    # 100 / 3 to twelve places, at 3: nothing is made of nothing.
    "transform_thirds": Golden(
        priced("standard", unit_amount="3") | {"transform": {"operation": "divide", "factor": 3}},
        ["100"],
        "99.999999999999",
    ),
    # 1.5 GiB as MiB, in packages of 1,000: 1,536 are 2.
    "transform_multiply": Golden(
        priced("package", package_size=1000, amount="1")
        | {"transform": {"operation": "multiply", "factor": 1024}},
        ["1.5"],
        "2",
        [("1536", "0", "2")],
    ),
    # The meter first (0.4 + 0.7 = 1.1, so 2), then the transform (20), then what is included (8).
    "order": Golden(
        priced("standard", "units_up", unit_amount="1")
        | {"transform": {"operation": "multiply", "factor": 10}, "included_quantity": 8},
        ["0.4", "0.7"],
        "12",
        [("8", "0", "0"), ("12", "1", "0")],
    ),
    # The running total is rounded: 0.4 is 1 and charged, 0.5 more is still 1 and no transaction.
    "percentage_rounded": Golden(
        priced("percentage", "units_up", rate_percent="100", fixed_amount="5"), ["0.4", "0.5"], "6"
    ),
}
TOLD = ("once", "versions", "parts")


def tell(
    world: World, account: str, meter: str, used: Sequence[Any]
) -> tuple[list[Row], list[str]]:
    """Records of quantities/ and lines of cloudevents/, a day each from the third of August."""
    records, lines = [], []
    for number, each in enumerate(used):
        at = FIRST + timedelta(days=number) * (1 if len(used) < 20 else 0) + number * SECOND
        if meter in ROUNDED:
            records.append(
                quantity(f"{account}/{meter}/{number}", account, meter, each, at, at + SECOND)
            )
            continue
        value, cost = each if isinstance(each, tuple) else (each, None)
        lines.append(
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": f"{account}/{number:03}",
                    "source": "shop",
                    "type": PAID,
                    "subject": account,
                    "time": text_of(at),
                    "data": {"paid": value} | ({} if cost is None else {"cost": cost}),
                }
            )
        )
    return records, lines


def write(world: World, told: Sequence[tuple[list[Row], list[str]]]) -> None:
    """Write what `tell` gives, of all accounts."""
    world.write("quantities/all.csv", [row for records, _ in told for row in records])
    lines = [line for _, lines in told for line in lines]
    world.write("cloudevents/all.jsonl", "".join(f"{line}\n" for line in lines))


def in_parts(value: str) -> list[str]:
    """The same units in five records."""
    part = (Decimal(value) / 5).quantize(Decimal("0.000001"))
    return [str(part)] * 4 + [str(Decimal(value) - 4 * part)]


def versions(charges: list[Row], starts: Sequence[str], **more: Any) -> list[Row]:
    """A version with the same prices from each of these times."""
    return [version(start, charges, **more) for start in starts]


@pytest.fixture(scope="module")
def built(new_world: NewWorld) -> World:
    """One world with every golden case, told in three ways."""
    world = new_world()
    world.meters = all_meters()
    told = []
    world.plans = []
    for name, case in GOLDEN.items():
        charges = [{"charge_key": "charge"} | case.charge]
        world.plans += [plan(name, *versions(charges, VERSIONS[:1]))]
        world.plans += [plan(f"{name}-2", *versions(charges, VERSIONS))]
        for way in TOLD:
            account = world.account(
                f"{name}/{way}", plan_id=name + ("-2" if way == "versions" else ""), links=False
            )
            used = case.used
            if way == "parts" and not case.looks_at_events and case.charge["model"] != "percentage":
                used = [part for each in case.used for part in in_parts(each)]
            told.append(tell(world, account, case.charge["meter_id"], used))
    plan_level(world, told)
    write(world, told)
    world.build(NOW)
    return world


def usage(world: World, account: str) -> tuple[Decimal, list[tuple[Decimal, Decimal, Decimal]]]:
    """The amount of an account's usage lines of August, and their tiers in order."""
    lines = world.lines(account, charge_class="usage", period="2026-08")
    rows = world.query(
        """
        select tiers.quantity, tiers.unit_amount, tiers.flat_amount
        from marts.fct_charge_tiers as tiers
        where list_contains(?, charge_id) order by tier_index
        """,
        [line["charge_id"] for line in lines],
    )
    found = [(row["quantity"], row["unit_amount"], row["flat_amount"]) for row in rows]
    return sum((line["amount"] for line in lines), Decimal(0)), found


@pytest.mark.parametrize("way", TOLD)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_cases(built: World, name: str, way: str) -> None:
    case = GOLDEN[name]
    amount, found = usage(built, f"{name}/{way}")
    assert amount == Decimal(case.amount)
    if case.tiers and way != "versions":
        assert found == [tuple(map(Decimal, tier)) for tier in case.tiers]


def test_tiers_account_for_every_unit(built: World) -> None:
    """Where nothing is transformed, the tiers of a line hold its units, free ones too."""
    rows = built.query(
        """
        select account_id, any_value(charges.quantity) as quantity, sum(tiers.quantity) as in_tiers
        from marts.fct_charges as charges
        inner join marts.fct_charge_tiers as tiers using (charge_id)
        where account_id not like 'transform%' and account_id not like 'order%'
            and account_id <> 'changed'
        group by account_id, charge_id having sum(tiers.quantity) <> any_value(charges.quantity)
        """
    )
    assert rows == []


# --- The order of a period, and events that tell no amount ----------------------------------


def plan_level(world: World, told: list[Any]) -> None:
    """Accounts whose cases are about more than one charge."""
    packages = priced("package", package_size=100, amount="5") | {"percentage_discount": "10"}
    terms = {"maximum_amount": "20", "included_amount": "4"}
    world.plans += [
        plan("capped", *versions([{"charge_key": "c"} | packages], VERSIONS[:1], **terms))
    ]
    told.append(
        tell(world, world.account("capped", plan_id="capped", links=False), "units", ["512"])
    )
    dynamic = [{"charge_key": "c"} | priced("dynamic", "paid", amount="$.cost")]
    world.plans += [plan("told", *versions(dynamic, VERSIONS))]
    world.account("told", plan_id="told", links=False)
    told.append(
        tell(
            world,
            "told",
            "paid",
            [("1", "0.5"), ("1", None), ("1", "much"), ("1", "-1"), ("1", True), ("x", "9")],
        )
    )
    changed = {"operation": "divide", "factor": 1000}
    world.plans += [
        plan(
            "changed",
            # 5,000 as thousands: three at 2 and two at 1. Then as units, beyond 3,000 at 0.001.
            version(
                START,
                [
                    {"charge_key": "c"}
                    | priced("graduated", tiers=tiers((3, "2", "0"), (None, "1", "0")))
                    | {"transform": changed}
                ],
            ),
            version(
                "2026-08-04T00:00:00Z",
                [
                    {"charge_key": "c"}
                    | priced("graduated", tiers=tiers((3000, "0.002", "0"), (None, "0.001", "0")))
                ],
            ),
        )
    ]
    told.append(
        tell(
            world,
            world.account("changed", plan_id="changed", links=False),
            "units",
            ["5000", "100"],
        )
    )
    world.plans += [
        plan(
            "dearer",
            version(
                START,
                [
                    {"charge_key": "c"}
                    | priced(
                        "percentage",
                        "paid",
                        rate_percent="1",
                        fixed_amount="1",
                        free_units_per_events=2,
                    )
                ],
            ),
            version(
                "2026-08-04T12:00:00Z",
                [
                    {"charge_key": "c"}
                    | priced(
                        "percentage",
                        "paid",
                        rate_percent="10",
                        fixed_amount="3",
                        free_units_per_events=2,
                    )
                ],
            ),
        )
    ]
    told.append(
        tell(
            world,
            world.account("dearer", plan_id="dearer", links=False),
            "paid",
            ["10", "20", "30"],
        )
    )


def test_the_order_of_a_period(built: World) -> None:
    """512 are 6 packages: 30; 10 percent off: 27; at most 20: -7; 4 of it covered by the plan."""
    lines = {
        line["charge_class"]: line["amount"] for line in built.lines("capped", period="2026-08")
    }
    assert lines == {
        "usage": Decimal(30),
        "discount": Decimal(-3),
        "maximum_cap": Decimal(-7),
        "included": Decimal(-4),
    }


def test_an_event_that_tells_no_amount_is_counted_named_and_free(built: World) -> None:
    """Five events of one unit count, one of which costs 0.50; the sixth has no unit to count."""
    amount, found = usage(built, "told")
    assert amount == Decimal("0.5")
    assert sum(tier[0] for tier in found) == 5
    issues = built.query(
        "select execution_id, issue from marts.fct_usage_issues"
        " where account_id = 'told' order by 1"
    )
    assert [(row["execution_id"], row["issue"]) for row in issues] == [
        ("told/001", "event_amount_missing"),
        ("told/002", "event_amount_not_a_number"),
        ("told/003", "event_amount_negative"),
        ("told/004", "event_amount_not_a_number"),
        ("told/005", "event_value_not_a_number"),
    ]


def test_a_changed_transform_goes_on_from_the_same_place(built: World) -> None:
    """3 * 2 + 2 * 1 for the thousands; the 100 after 5,000 are beyond the first 3,000: 0.10."""
    assert usage(built, "changed")[0] == Decimal("8.1")


def test_each_version_has_its_own_rates_for_events(built: World) -> None:
    """10 and 20 are the two free events, whichever version; 30 under the new one are 3 and 3."""
    assert usage(built, "dearer")[0] == Decimal(6)


def test_a_late_event_moves_what_is_free_and_what_is_charged(new_world: NewWorld) -> None:
    """1 percent and 0.50, the first event free: 100 is free, 200 cost 2.50.

    A late 50 comes first and is free; 100 cost 1.50 now: 4.00. An approved statement gets the
    difference as a correction; whoever has no late event is not rated again.
    """
    world = new_world()
    world.meters = all_meters()
    fees = priced(
        "percentage", "paid", rate_percent="1", fixed_amount="0.5", free_units_per_events=1
    )
    told_amounts = priced("dynamic", "paid", amount="$.cost")
    world.plans = [
        plan("fees", *versions([{"charge_key": "fee"} | fees], VERSIONS)),
        plan("told", *versions([{"charge_key": "told"} | told_amounts], VERSIONS)),
    ]
    accounts = {"open": "fees", "approved": "fees", "told": "told", "other": "fees"}
    for account, plan_id in accounts.items():
        world.account(account, plan_id=plan_id, links=False)
    write(world, [tell(world, each, "paid", [("100", "1"), ("200", "2")]) for each in accounts])
    world.build(NOW)
    assert [usage(world, each)[0] for each in accounts] == list(
        map(Decimal, ("2.5", "2.5", "3", "2.5"))
    )
    world.approve("2026-08", NOW, ["approved"])
    # Another ledger rates everybody; the late events then only whom they are about.
    world.build(NOW)

    late = [
        json.loads(line) | {"id": f"{account}/late", "time": "2026-08-02T00:00:00Z"}
        for account in ("open", "approved", "told")
        for line in tell(world, account, "paid", [("50", "0.25")])[1]
    ]
    world.write("cloudevents/late.jsonl", "".join(json.dumps(each) + "\n" for each in late))
    world.build("2026-09-02T01:00:00")
    assert [usage(world, each)[0] for each in accounts] == list(
        map(Decimal, ("4", "2.5", "3.25", "2.5"))
    )
    (correction,) = world.lines("approved", charge_class="correction")
    assert (correction["amount"], correction["quantity"]) == (Decimal("1.5"), Decimal(50))
    with duckdb.connect(str(world.home / "warehouse.duckdb"), read_only=True) as con:
        again = con.sql("select account_id from intermediate.int_touched_accounts").fetchall()
    assert ("other",) not in again
    before = world.digests()
    world.build("2026-09-02T01:00:00", full_refresh=True)
    assert world.digests() == before


# --- Random prices --------------------------------------------------------------------------


def rounded(number: Fraction, mode: str, places: int = 0) -> Fraction:
    """A number rounded to places as a meter or a transform says, away from zero where it is up."""
    if mode == "none":
        return number
    scaled = abs(number) * 10**places
    whole = scaled.numerator // scaled.denominator
    rest = scaled - whole
    up = {"up": rest > 0, "down": False, "half_up": rest >= Fraction(1, 2)}[mode]
    return Fraction(whole + up, 10**places) * (1 if number >= 0 else -1)


def billable(case: Row, total: Fraction) -> Fraction:
    """The units that a running total of measured usage comes to for the charge model."""
    rule = ROUNDED.get(case["meter_id"], {"mode": "none"})
    units = rounded(total, rule["mode"], rule.get("places", 0))
    if transform := case.get("transform"):
        factor = Fraction(transform["factor"])
        units = units * factor if transform["operation"] == "multiply" else units / factor
        units = rounded(rounded(units, "half_up", 12), transform["rounding"])
    return units - max(min(units, Fraction(case.get("included_quantity", 0))), Fraction(0))


def packages(units: Fraction, size: Fraction, rounding: str = "up") -> int:
    """How many packages units are."""
    count = units / size
    full = count.numerator // count.denominator
    return full + (rounding == "up" and count > full)


def expected_amount(case: Row, used: Sequence[Fraction]) -> Fraction:
    """What a charge comes to for a period in which each of these was used, in order."""
    model, properties = case["model"], case["properties"]
    if model == "percentage":
        return percentage(case, used)
    units = max(billable(case, max(sum(used, Fraction(0)), Fraction(0))), Fraction(0))
    if model == "standard":
        return units * Fraction(properties["unit_amount"])
    if model == "package":
        size, free = Fraction(properties["package_size"]), Fraction(properties["free_units"])
        count = packages(max(units - free, Fraction(0)), size, properties["rounding"])
        return count * Fraction(properties["amount"])
    amount, below = Fraction(0), Fraction(0)
    for number, tier in enumerate(properties["tiers"]):
        above = max(units, below) if tier["up_to"] is None else Fraction(tier["up_to"])
        inside = max(min(units, above) - below, Fraction(0))
        if model.startswith("volume"):
            is_reached = number == 0 or units > below
            if is_reached and (tier["up_to"] is None or units <= above):
                inside = units
            else:
                inside = Fraction(0)
        price = Fraction(tier.get("unit_amount", 0)) + Fraction(tier.get("rate_percent", 0)) / 100
        amount += inside * price
        if "package_size" in tier:
            amount += packages(inside, Fraction(tier["package_size"])) * Fraction(tier["amount"])
        is_owed_without = (
            number == 0
            and units == 0
            and "unit_amount" in tier
            and properties["zero_usage"] == "charge_first_tier_flat"
        )
        if inside > 0 or is_owed_without:
            amount += Fraction(tier.get("flat_amount", 0))
        below = above
    return amount


def percentage(case: Row, used: Sequence[Fraction]) -> Fraction:
    """The percentage model, event by event."""
    properties = {key: Fraction(value) for key, value in case["properties"].items()}
    totals, total = [Fraction(0)], Fraction(0)
    for each in used:
        total += each
        totals.append(billable(case, total))
    parts = list(pairwise(totals))
    free = properties.get("free_units_per_total_aggregation")
    if (first := properties.get("free_units_per_events")) is not None:
        transactions = [after - before for before, after in parts if after > before]
        of_events = sum(transactions[: int(first)], Fraction(0))
        free = of_events if free is None else min(free, of_events)
    free = free or Fraction(0)
    amount = Fraction(0)
    for before, after in parts:
        due = (max(after, free) - max(before, free)) * properties["rate_percent"] / 100
        if after > before and after > free:
            due += properties.get("fixed_amount", 0)
            due = max(due, properties.get("per_transaction_min_amount", due))
            due = min(due, properties.get("per_transaction_max_amount", due))
        amount += due
    return amount


def random_use(random: Random) -> dict[str, list[Fraction]]:
    """What one account uses of each meter; events may take back."""
    scale = random.choice([1, 10, 100, 1000])
    count = random.randrange(12)
    values = [Fraction(random.randrange(100 * scale), 100) for _ in range(count)]
    paid = [value * random.choice([1, 1, 1, -1]) for value in values]
    return dict.fromkeys(ROUNDED, values) | {"paid": paid, "calls": [Fraction(1)] * count}


def text(number: Fraction) -> str:
    """A number of two places as text."""
    return str(Decimal(number.numerator * (100 // number.denominator)).scaleb(-2))


def few(examples: int) -> Callable[[Any], Any]:
    """So many examples, the same in every run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def amounts(world: World) -> dict[tuple[str, str], Decimal]:
    """Exact usage amounts of August by account and charge; the parts of versions together."""
    rows = world.query(
        """
        select account_id, charge_key, sum(charges.amount) as amount
        from marts.fct_charges as charges inner join marts.fct_statements using (statement_id)
        where charge_class = 'usage' and period = '2026-08'
        group by all
        """.replace("account_id,", "charges.account_id,", 1)
    )
    return {(row["account_id"], row["charge_key"]): row["amount"] for row in rows}


@few(1)
@given(random=st.randoms(use_true_random=True))
def test_random_prices_come_to_what_the_rules_say(new_world: NewWorld, random: Random) -> None:
    """Some thousands of charges: under one version, cut by several of the same prices, in parts.

    Whatever the usage of a period comes to, the parts in which a threshold bills it come to it.
    """
    world = new_world()
    world.meters = all_meters()
    world.plans, told, expected = [], [], {}
    for number in range(12):
        charges = [
            {"charge_key": f"{model}-{index}"} | random_charge(random, model)
            for model in MODELS
            for index in range(6)
        ]
        cuts = sorted({random.randrange(14 * 24) for _ in range(random.randrange(1, 4))})
        starts = [START, *(text_of(FIRST + timedelta(hours=cut)) for cut in cuts)]
        for name, begins in (("once", starts[:1]), ("cut", starts)):
            world.plans += [plan(f"{name}-{number}", *versions(charges, begins))]
        billed = version(START, charges, threshold_amount=str(random.randrange(1, 9000)))
        world.plans += [plan(f"parts-{number}", billed)]
        for each in range(4):
            used = random_use(random)
            for name in ("once", "cut", "parts"):
                account = world.account(
                    f"{name}-{number}-{each}", plan_id=f"{name}-{number}", links=False
                )
                told += [
                    tell(world, account, meter, [text(value) for value in used[meter]])
                    for meter in (*ROUNDED, "paid")
                ]
                for priced_charge in charges:
                    expected[account, priced_charge["charge_key"]] = expected_amount(
                        priced_charge, used[priced_charge["meter_id"]]
                    )
    write(world, told)
    world.build(NOW)
    found = amounts(world)
    assert {key for key in found if key not in expected} == set()
    wrong = {
        key: (found.get(key, Decimal(0)), amount)
        for key, amount in expected.items()
        if Fraction(found.get(key, Decimal(0))) != amount
    }
    assert wrong == {}
    assert len(expected) > 6000
    counts = """
        select count(*) as statements from marts.fct_statements
        where account_id like 'parts-%' and period = '2026-08' group by account_id
    """
    assert max(row["statements"] for row in world.query(counts)) > 2


@few(1)
@given(random=st.randoms(use_true_random=True))
def test_shapes_of_prices(new_world: NewWorld, random: Random) -> None:
    """Graduated prices rise without a leap; in the first tier volume prices are the same."""
    world = new_world()
    world.meters = all_meters()
    charges, first = [], {}
    for number in range(60):
        rows = [
            {"up_to": up_to, "unit_amount": decimals(random, 5, 4)}
            for up_to in random_tiers(random)
        ]
        first[str(number)] = rows[0]["up_to"]
        charges += [
            {"charge_key": f"{model}-{number}"} | priced(model, tiers=rows)
            for model in ("graduated", "volume")
        ]
    world.plans = [plan("shapes", version(START, charges))]
    told, quantities = [], sorted({random.randrange(1, 300_000) for _ in range(40)})
    for hundredths in quantities:
        account = world.account(f"{hundredths:06}", plan_id="shapes", links=False)
        told.append(tell(world, account, "units", [text(Fraction(hundredths, 100))]))
    write(world, told)
    world.build(NOW)
    found = amounts(world)
    for number, edge in first.items():
        before, used_before = Decimal(0), Decimal(0)
        for hundredths in quantities:
            account, used = f"{hundredths:06}", Decimal(hundredths).scaleb(-2)
            amount = found.get((account, f"graduated-{number}"), Decimal(0))
            assert before <= amount <= before + (used - used_before) * 5
            if edge is None or used <= Decimal(edge):
                assert amount == found.get((account, f"volume-{number}"), Decimal(0))
            before, used_before = amount, used
