"""Currencies from the landing zone to the bill: price lists, dated rates, minor units, no mixing.

Every figure is worked out by hand beside its case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from world import START, Cases, World, charge, plan, quantity, utc, version

from dagster_project.ledger import Ledger
from dagster_project.stripe.push import plan as plan_push
from reports.exports.export import Request, export
from reports.summary import read_summary

pytestmark = pytest.mark.integration

Row = dict[str, Any]
NewWorld = Callable[[], World]

NOW = "2026-09-02T00:00:00"
PAID = "com.example.paid"


def _account(world: World, account: str, currency: str, plan_id: str, **more: Any) -> None:
    world.account(account, plan_id=plan_id, **more)
    world.accounts[-1]["currency"] = currency


def _used(
    world: World, account: str, amount: str, day: str = "2026-08-10", meter: str = "units"
) -> None:
    path = f"quantities/{account}-{meter}-{day}-{amount}.csv"
    start, end = f"{day}T10:00:00Z", f"{day}T11:00:00Z"
    world.write(path, [quantity(path, account, meter, amount, start, end)])


def _statement(world: World, account: str, period: str = "2026-08") -> tuple[Any, ...]:
    rows = world.query(
        "select currency, subtotal_minor, credits_minor, total_minor from marts.fct_statements"
        " where account_id = ? and period = ?",
        account,
        period,
    )
    assert len(rows) == 1, rows
    return tuple(rows[0].values())


def _issues(world: World, account: str) -> list[tuple[str, str, str]]:
    rows = world.query(
        "select issue, strftime(started_at, '%Y-%m-%d') as first_day,"
        " strftime(ended_at, '%Y-%m-%d') as last_day"
        " from marts.fct_usage_issues where account_id = ? order by all",
        account,
    )
    return [tuple(row.values()) for row in rows]


# --- Price lists ----------------------------------------------------------------------------------


def _lists(unit_usd: str = "0.02", unit_eur: str = "0.05") -> Row:
    return plan(
        "lists",
        version(START, [charge("units", "units", unit_usd)]),
        version(START, [charge("units", "units", unit_eur)], currency="eur"),
        version("2026-08-16T00:00:00Z", [charge("units", "units", "0.07")], currency="eur"),
    )


def test_an_account_is_rated_by_the_price_list_in_its_currency(world: World) -> None:
    """100 units on the 10th, 100 on the 20th; only the euro list has a version of the 16th.

    usd: 200 * 0.02 = 4.00. eur: 100 * 0.05 + 100 * 0.07 = 5.00 + 7.00. A third currency, without a
    rate, takes the plan's first one.
    """
    world.meters = [*world.meters, {"meter_id": "units", "source": "quantities", "unit": "unit"}]
    world.plans = [*world.plans, _lists()]
    for account in ("usd", "eur", "gbp"):
        _account(world, account, account, "lists")
        _used(world, account, "100", "2026-08-10")
        _used(world, account, "100", "2026-08-20")
    world.build(NOW)
    assert _statement(world, "usd") == ("usd", 400, 0, 400)
    assert _statement(world, "eur") == ("eur", 1200, 0, 1200)
    assert _statement(world, "gbp") == ("usd", 400, 0, 400)
    lines = [
        (line["plan_version"], line["amount"], line["currency"]) for line in world.lines("eur")
    ]
    assert lines == [
        ("2026-01-01T00:00:00Z@eur", Decimal(5), "eur"),
        ("2026-08-16T00:00:00Z@eur", Decimal(7), "eur"),
    ]
    assert {line["plan_version"] for line in world.lines("usd")} == {"2026-01-01T00:00:00Z"}
    assert _issues(world, "eur") == _issues(world, "usd") == []
    assert _issues(world, "gbp") == [("exchange_rate_missing", "2026-01-01", "2026-10-01")]
    prices = world.query(
        "select plan_version, currency, price_currency, exchange_rate, valid_to is null as is_last"
        " from marts.dim_prices where plan_id = 'lists' order by plan_version"
    )
    assert [tuple(row.values()) for row in prices] == [
        ("2026-01-01T00:00:00Z", "usd", "usd", None, True),
        ("2026-01-01T00:00:00Z@eur", "eur", "eur", None, False),
        ("2026-08-16T00:00:00Z@eur", "eur", "eur", None, True),
    ]


def test_a_price_list_that_begins_later_takes_over_at_the_next_period(world: World) -> None:
    """The euro list begins in the middle of July: July stays in dollars, August is in euros."""
    world.meters = [*world.meters, {"meter_id": "units", "source": "quantities", "unit": "unit"}]
    world.plans = [
        plan(
            "late",
            version(START, [charge("units", "units", "0.02")]),
            version("2026-07-15T00:00:00Z", [charge("units", "units", "0.05")], currency="eur"),
        )
    ]
    _account(world, "eur", "eur", "late")
    _used(world, "eur", "100", "2026-07-20")
    _used(world, "eur", "100", "2026-08-20")
    world.build(NOW)
    assert _statement(world, "eur", "2026-07") == ("usd", 200, 0, 200)
    assert _statement(world, "eur", "2026-08") == ("eur", 500, 0, 500)


def test_a_subscription_keeps_the_currency_that_was_approved(world: World) -> None:
    """Approved in dollars, then the plan gets a euro list: every later month stays in dollars.

    So the correction of July (10 units more, 0.20) has a statement of its own currency to stand on:
    100 * 0.02 + 0.20 in August.
    """
    world.meters = [*world.meters, {"meter_id": "units", "source": "quantities", "unit": "unit"}]
    dollars = version(START, [charge("units", "units", "0.02")])
    world.plans = [plan("kept", dollars)]
    _account(world, "eur", "eur", "kept", started_at="2026-07-01T00:00:00Z")
    _used(world, "eur", "100", "2026-07-20")
    world.build("2026-08-01T00:00:00")
    world.approve("2026-07", "2026-08-01T00:00:00")
    euros = version(START, [charge("units", "units", "0.05")], currency="eur")
    world.plans = [plan("kept", dollars, euros)]
    _account(world, "new", "eur", "kept", started_at="2026-07-01T00:00:00Z")
    for account in ("eur", "new"):
        _used(world, account, "100", "2026-08-20")
    _used(world, "eur", "10", "2026-07-21")
    world.build(NOW)
    assert _statement(world, "eur", "2026-07") == ("usd", 200, 0, 200)
    assert _statement(world, "eur", "2026-08") == ("usd", 220, 0, 220)
    assert _statement(world, "new", "2026-08") == ("eur", 500, 0, 500)
    assert _issues(world, "eur") == [
        ("currency_of_approved_statement_kept", "2026-08-01", "2026-10-01")
    ]


# --- Dated rates ----------------------------------------------------------------------------------

CONVERTED = Cases()
RATES = """rate_date,from_currency,to_currency,rate
2026-06-30,usd,gbp,0.4
2026-07-31,usd,gbp,0.5
2026-08-02,usd,gbp,0.6
2026-07-01,usd,eur,0.9186
2026-07-31,usd,chf,2
2026-08-01,usd,chf,3
2026-08-01,gbp,usd,9
2026-08-01,usd,jpy,150
2026-08-01,usd,kwd,0.3
"""
METERS: list[Row] = [
    {"meter_id": "units", "source": "quantities", "unit": "unit"},
    {
        "meter_id": "paid",
        "source": "events",
        "event_type": PAID,
        "aggregation": "sum",
        "value": "$.paid",
        "unit": "dollar",
    },
]


def _priced(name: str, model: str, properties: Row, meter: str = "units", **terms: Any) -> Row:
    price = {"model": model, "properties": properties}
    return plan(name, version(START, [charge("units", meter, **price)], **terms))


PLANS = [
    _priced("seconds", "standard", {"unit_amount": "0.000005787037037"}),
    _priced("cents", "standard", {"unit_amount": "0.02"}),
    _priced(
        "graduated",
        "graduated",
        {
            "tiers": [
                {"up_to": "10", "unit_amount": "0.10", "flat_amount": "1.00"},
                {"up_to": None, "unit_amount": "0.05", "flat_amount": "0"},
            ]
        },
    ),
    _priced("package", "package", {"package_size": "10", "amount": "3.00"}),
    _priced(
        "percentage",
        "percentage",
        {
            "rate_percent": "1",
            "fixed_amount": "0.30",
            "per_transaction_min_amount": "0.50",
            "per_transaction_max_amount": "2.00",
        },
    ),
    _priced("dynamic", "dynamic", {"amount": "$.amount"}, "paid"),
    _priced("included", "standard", {"unit_amount": "0.02"}, base_amount="10", included_amount="3"),
    _priced("minimum", "standard", {"unit_amount": "0.02"}, minimum_amount="20"),
    _priced("maximum", "standard", {"unit_amount": "0.02"}, maximum_amount="3"),
]


@pytest.fixture(scope="module")
def converted(new_world: NewWorld) -> World:
    """The plans in dollars for accounts of other currencies, with rates."""
    world = new_world()
    world.meters, world.plans = [*world.meters, *METERS], PLANS
    world.write("exchange_rates.csv", RATES)
    CONVERTED.tell(world)
    world.build(NOW)
    return world


@CONVERTED.written
def _write_models(world: World) -> None:
    for name in ("graduated", "package", "percentage", "dynamic", "included", "minimum", "maximum"):
        _account(world, name, "gbp", name)
    _account(world, "seconds", "eur", "seconds")
    _used(world, "seconds", "1000000")
    _used(world, "graduated", "15")
    _used(world, "package", "15")
    for amount in ("100", "500", "1"):
        _used(world, "percentage", amount)
    for name in ("included", "minimum", "maximum"):
        _used(world, name, "200")
    event = {
        "specversion": "1.0",
        "id": "paid-1",
        "source": "shop",
        "type": PAID,
        "subject": "dynamic",
        "time": "2026-08-10T10:00:00Z",
        "data": {"paid": "1", "amount": "1.25"},
    }
    world.write("cloudevents/paid.ndjson", json.dumps(event) + "\n")


def test_a_unit_amount_is_multiplied_exactly_and_rounded_at_eighteen_places(
    converted: World,
) -> None:
    """0.000005787037037 * 0.9186 = 0.0000053159722221882, at 18 places 0.000005315972222188.

    A million of it is 5.315972222188, 5.32 euros.
    """
    assert _statement(converted, "seconds") == ("eur", 532, 0, 532)
    tiers = converted.query(
        "select unit_amount, tiers.amount, plan_version from marts.fct_charge_tiers as tiers"
        " inner join marts.fct_charges as charges using (charge_id) where account_id = 'seconds'"
    )
    assert [tuple(row.values()) for row in tiers] == [
        (
            Decimal("0.000005315972222188"),
            Decimal("5.315972222188"),
            "2026-01-01T00:00:00Z@eur:2026-07-01",
        )
    ]


@pytest.mark.parametrize(
    ("account", "minor"),
    [
        # 10 * 0.05 + 0.50 + 5 * 0.025 = 1.125, half away from zero.
        ("graduated", 113),
        # Two packages at 1.50.
        ("package", 300),
        # 100: 0.5 + 0.15 = 0.65; 500: 2.5 + 0.15, at most 1.00; 1: 0.005 + 0.15, at least 0.25.
        ("percentage", 190),
        # The event says 1.25 dollars: 0.625.
        ("dynamic", 63),
        # Fee 5.00, usage 200 * 0.01 = 2.00, of which 1.50 are covered.
        ("included", 550),
        # Usage 2.00, at least 10.00.
        ("minimum", 1000),
        # Usage 2.00, at most 1.50.
        ("maximum", 150),
    ],
)
def test_every_amount_of_a_plan_is_converted(converted: World, account: str, minor: int) -> None:
    """At 0.5, the latest rate on or before 1 August; those of June and of the 2nd do not count."""
    assert _statement(converted, account) == ("gbp", minor, 0, minor)
    assert _issues(converted, account) == [("exchange_rate_missing", "2026-01-01", "2026-07-01")]


@CONVERTED.written
def _write_zones(world: World) -> None:
    for name, zone, anchor in (
        ("tokyo", "Asia/Tokyo", ""),
        ("angeles", "America/Los_Angeles", ""),
        ("anchored", "UTC", "31"),
    ):
        _account(world, name, "chf", "cents", timezone=zone, anchor=anchor)
        _used(world, name, "100")


def test_the_day_of_a_rate_is_the_first_day_of_the_period_in_the_accounts_zone(
    converted: World,
) -> None:
    """100 * 0.02 dollars. August begins in Tokyo on 31 July, 15:00 UTC: by its calendar on the 1st.

    The period of the anchored account begins on 31 July: rate 2.
    """
    assert _statement(converted, "tokyo") == ("chf", 600, 0, 600)
    assert _statement(converted, "angeles") == ("chf", 600, 0, 600)
    assert _statement(converted, "anchored", "2026-07") == ("chf", 400, 0, 400)


@CONVERTED.written
def _write_rates_shown(world: World) -> None:
    _account(world, "none", "sek", "cents")
    _account(world, "dollars", "usd", "cents")
    for name in ("none", "dollars"):
        _used(world, name, "100")


def test_without_a_rate_the_plans_currency_stays_and_says_so(converted: World) -> None:
    assert _statement(converted, "none") == ("usd", 200, 0, 200)
    assert _issues(converted, "none") == [("exchange_rate_missing", "2026-01-01", "2026-10-01")]
    assert _statement(converted, "dollars") == ("usd", 200, 0, 200)
    assert _issues(converted, "dollars") == []


def test_the_rate_stands_beside_the_prices(converted: World) -> None:
    rows = converted.query(
        "select currency, price_currency, exchange_rate from marts.dim_prices"
        " where plan_id = 'cents' and plan_version like '%:2026-08-01' order by 1"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("chf", "usd", Decimal(3)),
        ("jpy", "usd", Decimal(150)),
        ("kwd", "usd", Decimal("0.3")),
    ]


# --- Minor units ----------------------------------------------------------------------------------


@CONVERTED.written
def _write_minor_units(world: World) -> None:
    for currency in ("jpy", "kwd"):
        _account(world, currency, currency, "cents")
        _used(world, currency, "100.11")


def test_converted_amounts_round_to_the_minor_unit_of_the_statement(converted: World) -> None:
    """100.11 * 0.02 dollars are 2.0022: 300.33 yen, 0.60066 dinars of 1000 fils."""
    assert _statement(converted, "jpy") == ("jpy", 300, 0, 300)
    assert _statement(converted, "kwd") == ("kwd", 601, 0, 601)


# --- What becomes known later ---------------------------------------------------------------------


def test_a_rate_that_becomes_known_later_corrects_what_was_approved(world: World) -> None:
    """100 * 0.02 dollars: 1.00 at 0.5. A file that adds the rate 0.52 of 1 August makes it 1.04.

    The statement of August stays; September takes back 1.00 and asks for 1.04.
    """
    world.meters, world.plans = [*world.meters, *METERS], PLANS
    world.write("exchange_rates.csv", "\n".join(RATES.splitlines()[:3]) + "\n")
    _account(world, "acme", "gbp", "cents")
    _used(world, "acme", "100")
    world.build(NOW)
    assert _statement(world, "acme") == ("gbp", 100, 0, 100)
    world.approve("2026-08", NOW)
    approved = world.lines("acme", statement_period="2026-08")
    world.write(
        "exchange_rates.csv", RATES.replace("2026-08-02,usd,gbp,0.6", "2026-08-01,usd,gbp,0.52")
    )
    world.build(NOW)
    assert world.lines("acme", statement_period="2026-08") == approved
    corrections = world.lines("acme", charge_class="correction")
    assert [(line["plan_version"][-10:], line["amount_minor"]) for line in corrections] == [
        ("2026-07-31", -100),
        ("2026-08-01", 104),
    ]
    assert _statement(world, "acme", "2026-09") == ("gbp", 4, 0, 4)
    incremental = world.digests()
    world.build(NOW, full_refresh=True)
    assert world.digests() == incremental


def test_the_clock_makes_a_rate_known(world: World) -> None:
    """In Tokyo August begins nine hours before the rate of its first day is known in UTC."""
    world.meters, world.plans = [*world.meters, *METERS], PLANS
    world.write("exchange_rates.csv", RATES)
    _account(world, "acme", "chf", "cents", timezone="Asia/Tokyo")
    start, end = "2026-07-31T15:10:00Z", "2026-07-31T15:20:00Z"
    world.write("quantities/q.csv", [quantity("q", "acme", "units", "100", start, end)])
    world.build("2026-07-31T16:00:00")
    assert _statement(world, "acme") == ("chf", 400, 0, 400)
    world.build("2026-07-31T23:59:59")
    assert _statement(world, "acme") == ("chf", 400, 0, 400)
    world.build("2026-08-01T00:00:00")
    assert _statement(world, "acme") == ("chf", 600, 0, 600)
    incremental = world.digests()
    world.build("2026-08-01T00:00:00", full_refresh=True)
    assert world.digests() == incremental


# --- Minor units 0, 2 and 3, from the plan to Stripe ----------------------------------------------

JULY = (utc("2026-07-01"), utc("2026-08-01"))
AFTER = "2026-08-02T06:00:00"


def _of_units(name: str, currency: str, unit_amount: str, **terms: Any) -> Row:
    units = charge("units", "units", unit_amount)
    return plan(name, version(START, [units], currency=currency, **terms))


def _invoice(account: str, currency: str, units: int, amount: int, unit_minor: str) -> Row:
    start, end = (int(each.timestamp()) for each in JULY)
    line = {
        "id": f"il-{account}",
        "amount": amount,
        "currency": currency,
        "quantity": units,
        "quantity_decimal": str(units),
        "period": {"start": start, "end": end},
        "pricing": {"unit_amount_decimal": unit_minor, "price_details": {"price": "price_1"}},
    }
    return {
        "id": f"in-{account}",
        "customer": f"cus_{account}",
        "currency": currency,
        "status": "paid",
        "created": end,
        "fetched_at": "2026-08-02T00:00:00Z",
        "lines": {"has_more": False, "data": [line]},
    }


def _credit(credit_id: str, account: str, amount: str, currency: str) -> Row:
    return {
        "credit_id": credit_id,
        "account_id": account,
        "amount": amount,
        "currency": currency,
        "category": "paid",
        "priority": "",
        "effective_at": START,
        "expires_at": "",
        "meter_id": "",
    }


@pytest.fixture(scope="module")
def billed(new_world: NewWorld) -> World:
    """July of accounts in yen, dinars, euros, and one that changes from dollars to euros."""
    world = new_world()
    world.meters = [METERS[0] | {"stripe_event_name": "units"}]
    world.plans = [
        _of_units("yen", "jpy", "0.5", base_amount="100", included_amount="10"),
        _of_units("dinar", "kwd", "0.0015", minimum_amount="0.2005"),
        _of_units("dinar_cap", "kwd", "0.0015", maximum_amount="0.1"),
        _of_units("euro", "eur", "0.01"),
        _of_units("dollar", "usd", "0.01"),
    ]
    for account, currency, plan_id in (
        ("yen", "jpy", "yen"),
        ("dinar", "kwd", "dinar"),
        ("dinar_cap", "kwd", "dinar_cap"),
        ("euro", "eur", "euro"),
    ):
        _account(world, account, currency, plan_id, started_at="2026-07-01T00:00:00Z")
    world.account("mover", plan_id=None)
    world.subscribe("mover", "dollar", "2026-07-01T00:00:00Z", "2026-07-16T00:00:00Z")
    world.subscribe("mover", "euro", "2026-07-16T00:00:00Z")
    for account in ("yen", "dinar", "dinar_cap"):
        _used(world, account, "101", "2026-07-10")
    _used(world, "euro", "100", "2026-07-10")
    _used(world, "mover", "100", "2026-07-10")
    _used(world, "mover", "50", "2026-07-20")
    world.credits = [
        _credit("yen-1", "yen", "20", "jpy"),
        _credit("yen-2", "yen", "1000", "usd"),
        _credit("dinar-1", "dinar", "0.1004", "kwd"),
        _credit("dinar-2", "dinar", "7", "eur"),
    ]
    used = {"yen": 101, "dinar": 101, "dinar_cap": 101, "euro": 100, "mover": 150}
    start, end = (int(each.timestamp()) for each in JULY)
    told = {"fetched_at": "2026-08-02T00:00:00Z"}
    span = {"start_time": start, "end_time": end, "meter": "mtr_1"}
    world.write(
        "stripe/customers/all.jsonl", [{"id": f"cus_{name}", "created": 1} for name in used]
    )
    world.write("stripe/meters/all.jsonl", [{"id": "mtr_1", "event_name": "units", "created": 1}])
    world.write(
        "stripe/prices/all.jsonl",
        [{"id": "price_1", "recurring": {"meter": "mtr_1"}, "created": 1}],
    )
    world.write(
        "stripe/meter_event_summaries/all.jsonl",
        [
            {"id": f"s-{name}", "customer": f"cus_{name}", "aggregated_value": value} | span | told
            for name, value in used.items()
        ],
    )
    world.write(
        "stripe/invoices/all.jsonl",
        [
            _invoice("yen", "jpy", 101, 51, "0.5"),
            _invoice("dinar", "kwd", 101, 152, "1.5"),
            _invoice("dinar_cap", "kwd", 101, 152, "1.5"),
            _invoice("euro", "usd", 100, 100, "1"),
            _invoice("mover", "usd", 150, 150, "1"),
        ],
    )
    world.build(AFTER)
    return world


def _classes(world: World, account: str) -> dict[str, int]:
    lines = world.lines(account, statement_period="2026-07")
    return {line["charge_class"]: line["amount_minor"] for line in lines}


def test_a_statement_in_yen_has_no_decimals(billed: World) -> None:
    """101 * 0.5 = 50.5 yen, 51; 10 are included, the fee is 100; a credit of 20 yen pays usage."""
    assert _classes(billed, "yen") == {"usage": 51, "included": -10, "base_fee": 100}
    assert _statement(billed, "yen", "2026-07") == ("jpy", 141, 20, 121)


def test_a_statement_in_dinars_has_three_decimals(billed: World) -> None:
    """101 * 0.0015 = 0.1515 dinars, 152 fils; the minimum 200.5 is 201; the credit 100.4 is 100."""
    assert _classes(billed, "dinar") == {"usage": 152, "minimum_true_up": 49}
    assert _statement(billed, "dinar", "2026-07") == ("kwd", 201, 100, 101)
    assert _classes(billed, "dinar_cap") == {"usage": 152, "maximum_cap": -52}
    assert _statement(billed, "dinar_cap", "2026-07") == ("kwd", 100, 0, 100)


def test_a_credit_in_another_currency_pays_nothing(billed: World) -> None:
    rows = billed.query(
        "select credit_id, applied_minor, remaining_minor from marts.fct_credit_burndown"
        " inner join marts.fct_statements using (statement_id) where period = '2026-07' order by 1"
    )
    assert [tuple(row.values()) for row in rows] == [("dinar-1", 100, 0), ("yen-1", 20, 0)]


def test_invoices_of_every_minor_unit_are_compared_with_the_statement(billed: World) -> None:
    """The invoice of the euro account is in dollars; the mover has both under one event name."""
    rows = billed.query(
        "select account_id, currency, warehouse_quantity, warehouse_amount_minor,"
        " stripe_invoice_amount_minor, unexplained_amount_minor from marts.fct_reconciliation"
        " where period_start = ? order by account_id",
        JULY[0],
    )
    assert [tuple(row.values()) for row in rows] == [
        ("dinar", "kwd", Decimal(101), 152, 152, 0),
        ("dinar_cap", "kwd", Decimal(101), 152, 152, 0),
        ("euro", "eur", Decimal(100), 100, None, 0),
        ("mover", None, Decimal(150), None, None, 0),
        ("yen", "jpy", Decimal(101), 51, 51, 0),
    ]
    causes = billed.query(
        "select account_id, leg, cause, quantity_delta, amount_delta_minor,"
        " evidence ->> '$.currencies[1]' as second from marts.fct_discrepancies order by 1"
    )
    assert [tuple(row.values()) for row in causes] == [
        ("euro", "meter_invoice", "currencies_differ", Decimal(0), 0, "usd"),
        ("mover", "meter_invoice", "currencies_differ", Decimal(0), 0, "usd"),
    ]


def test_totals_are_by_currency(billed: World, tmp_path: Path) -> None:
    """Every sum over statements or lines: the run's summary, control totals of an export."""
    summary = read_summary(billed.home / "marts.duckdb", billed.home / "marts")
    july = [
        (row["currency"], row["statements"], row["total_minor"])
        for row in summary["charges"]
        if row["period"] == "2026-07"
    ]
    assert july == [("eur", 2, 150), ("jpy", 1, 121), ("kwd", 2, 201), ("usd", 1, 100)]
    waiting = [(row["currency"], row["total_minor"]) for row in summary["approvals_waiting"]]
    assert sorted(waiting) == [
        ("eur", 50),
        ("eur", 100),
        ("jpy", 121),
        ("kwd", 100),
        ("kwd", 101),
        ("usd", 100),
    ]
    manifest = export(
        billed.home / "marts.duckdb",
        Request("charges", date(2026, 7, 1), date(2026, 8, 1), tmp_path / "out"),
    )
    exact = {row["currency"]: row["amount_minor"] for row in manifest["control_totals"]}
    assert exact == {"eur": 150, "jpy": 141, "kwd": 301, "usd": 100}


def test_what_is_pushed_are_quantities_whatever_the_currency(billed: World) -> None:
    """Approved as they stand; the mover's two statements are two events under one name."""
    approved = billed.approve("2026-07", AFTER)
    assert sorted((each.currency, each.total_minor) for each in approved) == [
        ("eur", 50),
        ("eur", 100),
        ("jpy", 121),
        ("kwd", 100),
        ("kwd", 101),
        ("usd", 100),
    ]
    ledger = Ledger(billed.settings(utc(AFTER)).ledger_url)
    try:
        events = plan_push(ledger, utc(AFTER)).new
    finally:
        ledger.close()
    assert sorted((each.account_id, Decimal(each.value)) for each in events) == [
        ("dinar", Decimal(101)),
        ("dinar_cap", Decimal(101)),
        ("euro", Decimal(100)),
        ("mover", Decimal(50)),
        ("mover", Decimal(100)),
        ("yen", Decimal(101)),
    ]
