"""The price books of data/pricebooks, each with a little usage and the statement worked by hand.

All books and all accounts lie in one landing zone and are built once. A book, plan or charge that
no statement below has fails the test that walks the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from world import Row, World, text_of, utc

from ingest.sources.pricebook import load_pricebook

pytestmark = pytest.mark.integration

BOOKS = Path(__file__).parents[2] / "data" / "pricebooks"
NOW = "2026-09-02T00:00:00Z"
GIB = 2**30

# A landing folder, and a row of it that lacks only the account.
Used = tuple[str, Row]


def ran(start: str, hours: int, **sizes: Any) -> Used:
    """A sandbox from an instant on, for whole hours."""
    times = {"started_at": start, "ended_at": text_of(utc(start) + timedelta(hours=hours))}
    return "intervals", {"provider": "foundry", "vcpu": "1", "memory_mib": 1024} | times | sizes


def measured(meter: str, quantity: str, day: str = "2026-08-10", **dimensions: str) -> Used:
    """A quantity that was measured on one day."""
    times = {"started_at": f"{day}T00:00:00Z", "ended_at": f"{day}T12:00:00Z"}
    return "quantities", {"meter_id": meter, "quantity": quantity} | times | dimensions


def told(kind: str, day: str = "2026-08-10", **data: Any) -> Used:
    """A CloudEvent of one day."""
    event = {"specversion": "1.0", "source": "app", "type": f"com.example.{kind}"}
    return "cloudevents", event | {"time": f"{day}T08:00:00Z", "data": data}


def holds(levels: Sequence[int]) -> list[Used]:
    """What is stored, in GiB, from the start of each day of August on."""
    return [
        ("gauges", {"sampled_at": f"2026-08-{day:02}T00:00:00Z", "bytes": level * GIB})
        for day, level in enumerate(levels, 1)
    ]


# Charge key (of a plan's own line its class's), quantity, exact amount, and minor units.
Line = tuple[str, str | None, str, int]


@dataclass(frozen=True)
class Case:
    """What an account of a plan used, and its statement of one period."""

    plan_id: str
    used: Sequence[Used]
    lines: Sequence[Line]
    period: str = "2026-08"
    credit: str | None = None
    started_at: str = "2026-08-01T00:00:00Z"
    anchor: str = ""
    on_demand: str = ""

    @property
    def total(self) -> int:
        """What is owed, in minor units: the lines less the credit, which none of them uses up."""
        return sum(minor for *_, minor in self.lines) - int(Decimal(self.credit or "0") * 100)


MONTH = 30 * 24
CASES = {
    # Ten days of 4 GB: 864,000 s * 0.000005787037037 = 4.999999999968, which the 5.00 cover.
    "free": Case(
        "free",
        [ran("2026-08-01T00:00:00Z", 240, memory_mib=4096)],
        [
            ("included_amount", None, "-5", -500),
            ("compute_4gb", "864000", "4.999999999968", 500),
        ],
    ),
    # One of each size for thirty days, 2,592,000 s: 2.80, 15, 35, 70, 500 and 1,400 dollars, as far
    # as the published rates have digits. The credit of an upgrade is 30.
    "sizes": Case(
        "pro",
        [
            ran("2026-08-01T00:00:00Z", MONTH, memory_mib=memory)
            for memory in (1024, 4096, 8192, 16384, 32768, 65536)
        ],
        [
            # 2,592,000 * 0.00002700617284
            ("compute_16gb", "2592000", "70.00000000128", 7000),
            # 2,592,000 * 0.000001080246914
            ("compute_1gb", "2592000", "2.800000001088", 280),
            # 2,592,000 * 0.0001929012346
            ("compute_32gb", "2592000", "500.0000000832", 50000),
            # 2,592,000 * 0.000005787037037
            ("compute_4gb", "2592000", "14.999999999904", 1500),
            # 2,592,000 * 0.0005401234568
            ("compute_64gb", "2592000", "1400.0000000256", 140000),
            # 2,592,000 * 0.00001350308642
            ("compute_8gb", "2592000", "35.00000000064", 3500),
        ],
        credit="30.00",
    ),
    # An hour of 8 GB under each rate card of April, 3,600 s: five lines, one a version.
    "dated": Case(
        "pro",
        [
            ran(f"2026-04-{day}T10:00:00Z", 1, memory_mib=8192)
            for day in ("01", "03", "14", "15", "23")
        ],
        [
            # 3,600 * 0.000150462963
            ("compute_8gb", "3600", "0.5416666668", 54),
            # 3,600 * 0.000005015432099
            ("compute_8gb", "3600", "0.0180555555564", 2),
            # 3,600 * 0.00001350308642
            ("compute_8gb", "3600", "0.048611111112", 5),
            # 3,600 * 0.0001350308642
            ("compute_8gb", "3600", "0.48611111112", 49),
            # 3,600 * 0.00001350308642
            ("compute_8gb", "3600", "0.048611111112", 5),
        ],
        period="2026-04",
        started_at="2026-04-01T00:00:00Z",
    ),
    # 2,150 runs are 21.50, of which 20.00 are covered by the fee of 20.00.
    "starter": Case(
        "runs_starter",
        [told("run.completed") for _ in range(2150)],
        [
            ("base_fee", None, "20", 2000),
            ("included_amount", None, "-20", -2000),
            ("runs", "2150", "21.5", 2150),
        ],
    ),
    # All of 1,500 runs are covered: only the fee is left.
    "starter_within": Case(
        "runs_starter",
        [told("run.completed") for _ in range(1500)],
        [
            ("base_fee", None, "20", 2000),
            ("included_amount", None, "-15", -1500),
            ("runs", "1500", "15", 1500),
        ],
    ),
    # The period under way. 7,000 runs are 70.00: 20.00 covered, and 50.00 on demand.
    "starter_capped": Case(
        "runs_starter",
        [told("run.completed", "2026-09-01") for _ in range(7000)],
        [
            ("base_fee", None, "20", 2000),
            ("included_amount", None, "-20", -2000),
            ("runs", "7000", "70", 7000),
        ],
        period="2026-09",
        on_demand="true",
    ),
    # A cent less.
    "starter_below": Case(
        "runs_starter",
        [told("run.completed", "2026-09-01") for _ in range(6999)],
        [
            ("base_fee", None, "20", 2000),
            ("included_amount", None, "-20", -2000),
            ("runs", "6999", "69.99", 6999),
        ],
        period="2026-09",
        on_demand="true",
    ),
    # The same without on demand: what is included is used up.
    "starter_covered": Case(
        "runs_starter",
        [told("run.completed", "2026-09-01") for _ in range(2000)],
        [
            ("base_fee", None, "20", 2000),
            ("included_amount", None, "-20", -2000),
            ("runs", "2000", "20", 2000),
        ],
        period="2026-09",
    ),
    # 130 runs, 100 of them free: 30 * 0.01.
    "hobby": Case(
        "runs_hobby",
        [told("run.completed") for _ in range(130)],
        [("runs", "130", "0.3", 30)],
    ),
    # 30.00, and 100 of 1,100 minutes beyond the 1,000: 100 * 0.008.
    "monthly": Case(
        "builds_monthly",
        [measured("build_minutes", "1100")],
        [("base_fee", None, "30", 3000), ("build_minutes", "1100", "0.8", 80)],
    ),
    # 360.00 less 20 percent; 4,500 and 8,000 minutes in one year are 500 beyond 12,000, at 0.008.
    "yearly": Case(
        "builds_yearly",
        [
            measured("build_minutes", "4500", "2025-10-05"),
            measured("build_minutes", "8000", "2026-07-20"),
        ],
        [("base_fee", None, "288", 28800), ("build_minutes", "12500", "4", 400)],
        period="2025-08",
        started_at="2025-08-01T00:00:00Z",
        anchor="2025-08-01",
    ),
    # 10,000 free, 90,000 * 0.001 = 90, and 150,000 * 0.0005 = 75.
    "graduated": Case(
        "requests_graduated",
        [measured("tiered_requests", "130000"), measured("tiered_requests", "120000")],
        [("requests", "250000", "165", 16500)],
    ),
    # The last free request.
    "graduated_free": Case(
        "requests_graduated",
        [measured("tiered_requests", "10000")],
        [("requests", "10000", "0", 0)],
    ),
    # All 250,000 at the price of the last tier: 250,000 * 0.0005.
    "volume": Case(
        "requests_volume",
        [measured("tiered_requests", "130000"), measured("tiered_requests", "120000")],
        [("requests", "250000", "125", 12500)],
    ),
    # The bound belongs to the tier below it: 100,000 * 0.001.
    "volume_bound": Case(
        "requests_volume",
        [measured("tiered_requests", "100000")],
        [("requests", "100000", "100", 10000)],
    ),
    # 60 GiB for fifteen days and 120 for fifteen: 180 * 1,296,000 s = 233,280,000 GiB-seconds.
    # In GiB-months of 2,592,000 s that is 90, at 0.02.
    "gib": Case(
        "storage_gib_month",
        holds([60] * 15 + [120] * 15 + [0]),
        [("stored", "233280000", "1.8", 180)],
    ),
    # The same in GB-months: 90 * 2^30 / 10^9 = 90 * 1.073741824 = 96.63676416. Less the free 5 it
    # is 91.63676416, at 0.02.
    "gb": Case(
        "storage_gb_month",
        holds([60] * 15 + [120] * 15 + [0]),
        [("stored", "233280000", "1.8327352832", 183)],
    ),
    "regions": Case(
        "regional",
        [
            ran("2026-08-03T00:00:00Z", 10, vcpu="2", region="us-east-1"),
            ran("2026-08-04T00:00:00Z", 10, vcpu="2", region="eu-west-1"),
            ran("2026-08-05T00:00:00Z", 10, vcpu="2", region="ap-south-1"),
            measured("market_gpu_seconds", "3600", region="us-east-1", market="on_demand"),
            measured("market_gpu_seconds", "3600", region="us-east-1", market="spot"),
            measured("market_gpu_seconds", "3600", region="eu-west-1", market="on_demand"),
            measured("market_gpu_seconds", "1800", region="eu-west-1", market="spot"),
            told("batch.finished", core_seconds=10000, market="on_demand"),
            told("batch.finished", core_seconds=6000, market="spot"),
            told("batch.finished", core_seconds=4000, market="spot"),
        ],
        [
            # 10,000 * 0.000012
            ("batch_on_demand", "10000", "0.12", 12),
            # 6,000 and 4,000 are 10,000 * 0.000006
            ("batch_spot", "10000", "0.06", 6),
            # 2 cores * 36,000 s * 0.0000168
            ("cores_eu", "72000", "1.2096", 121),
            # 2 cores * 36,000 s * 0.000014
            ("cores_us", "72000", "1.008", 101),
            # 3,600 * 0.00121
            ("gpu_eu_on_demand", "3600", "4.356", 436),
            # 1,800 * 0.000484
            ("gpu_eu_spot", "1800", "0.8712", 87),
            # 3,600 * 0.0011
            ("gpu_us_on_demand", "3600", "3.96", 396),
            # 3,600 * 0.00044
            ("gpu_us_spot", "3600", "1.584", 158),
        ],
    ),
    # Four, then six, then five seats: the largest number less the three of the fee, 3 * 15.00.
    "seats": Case(
        "team",
        [
            told("seats.changed", "2026-08-01", seats=4),
            told("seats.changed", "2026-08-10", seats=6),
            told("seats.changed", "2026-08-20", seats=5),
        ],
        [("base_fee", None, "45", 4500), ("further_seats", "6", "45", 4500)],
    ),
    # 12,345 less 5,000 free are 7,345: eight packages at 0.50, also when they are told in parts.
    "packages": Case(
        "calls_by_thousand",
        [measured("packaged_calls", "12000"), measured("packaged_calls", "345")],
        [("calls", "12345", "4", 400)],
    ),
    # 100 packages of 1,000 at 0.50, and 23,456 more in three of 10,000 at 3.00.
    "package_tiers": Case(
        "calls_by_tier",
        [measured("packaged_calls", "123456")],
        [("calls", "123456", "59", 5900)],
    ),
    # 20 * 2.9 % + 0.30 = 0.88; 80 * 2.9 % + 0.30 = 2.62; 1,000 * 2.9 % + 0.30 = 29.30, held to 25.
    "payments": Case(
        "payments",
        [told("payment.succeeded", amount=amount) for amount in ("20.00", "80.00", "1000.00")],
        [("payments", "1100", "28.5", 2850)],
    ),
    # 10,000 * 1.5 % + 90,000 * 1 % + 25,000 * 0.5 % = 150 + 900 + 125.
    "marketplace": Case(
        "marketplace",
        [told("payment.succeeded", amount=amount) for amount in ("5000.00", "120000.00")],
        [("volume", "125000", "1175", 117500)],
    ),
    # 8,000 * 0.04 = 320: 180 are left of the 500.
    "below_commitment": Case(
        "committed",
        [measured("committed_minutes", "8000")],
        [("minimum_amount", None, "180", 18000), ("minutes", "8000", "320", 32000)],
    ),
    # 15,000 * 0.04 = 600, more than the commitment.
    "above_commitment": Case(
        "committed",
        [measured("committed_minutes", "15000")],
        [("minutes", "15000", "600", 60000)],
    ),
    # 9,000 * 0.008 = 72 is below 100. With 1,000 * 0.008 + 5,000 * 0.005 = 33 it is 105: a
    # statement. The other has 4,000 * 0.005 = 20 and the fee.
    "as_it_comes": Case(
        "as_it_comes",
        [
            measured("sent_messages", "9000", "2026-08-05"),
            measured("sent_messages", "6000", "2026-08-10"),
            measured("sent_messages", "4000", "2026-08-20"),
        ],
        [
            ("messages", "15000", "105", 10500),
            ("base_fee", None, "10", 1000),
            ("messages", "4000", "20", 2000),
        ],
    ),
}


def files_of(book: Path) -> list[Path]:
    """The files of a book, as they are copied into a landing zone."""
    return sorted(book.glob("*.yaml"))


def books() -> list[Path]:
    """The folders of data/pricebooks."""
    found = sorted(path for path in BOOKS.iterdir() if path.is_dir())
    assert found, BOOKS
    return found


def tell(world: World, account: str, case: Case) -> None:
    """Write an account with what it used, each folder's rows in a file of the account's own."""
    world.account(
        account, plan_id=case.plan_id, started_at=case.started_at, anchor=case.anchor, links=False
    )
    world.subscriptions[-1]["on_demand"] = case.on_demand
    if case.credit:
        world.credits.append(
            {
                "credit_id": f"credit-{account}",
                "account_id": account,
                "amount": case.credit,
                "currency": "usd",
                "category": "promotional",
                "effective_at": case.started_at,
            }
        )
    for folder in sorted({folder for folder, _ in case.used}):
        rows = [row for used_in, row in case.used if used_in == folder]
        if folder == "cloudevents":
            named = [
                {"id": f"{account}-{number}", "subject": account} | row
                for number, row in enumerate(rows)
            ]
            world.write(f"{folder}/{account}.jsonl", named)
            continue
        world.write(
            f"{folder}/{account}.csv",
            [
                {
                    "record_id": f"{account}-{number}",
                    "account_ref": account,
                    "resource_id": f"{account}-box-{number if folder == 'intervals' else 0}",
                }
                | row
                for number, row in enumerate(rows)
            ],
        )


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every book and every account in it."""
    world = new_world()
    world.meters, world.plans = [], []
    for book in books():
        for file in files_of(book):
            world.write(f"pricebook/{book.name}/{file.name}", file.read_bytes())
    for account, case in CASES.items():
        tell(world, account, case)
    world.build(NOW)
    return world


@pytest.mark.parametrize("account", CASES)
def test_the_statement_is_as_worked_by_hand(built: World, account: str) -> None:
    case = CASES[account]
    lines = built.lines(account)
    found = [
        (line["charge_key"], line["quantity"], line["amount"], line["amount_minor"])
        for line in lines
        if line["statement_period"] == case.period
    ]
    assert found == [
        (key, None if quantity is None else Decimal(quantity), Decimal(amount), minor)
        for key, quantity, amount, minor in case.lines
    ]
    owed = built.value(
        "select sum(total_minor)::bigint from marts.fct_statements"
        " where account_id = ? and period = ?",
        account,
        case.period,
    )
    assert owed == case.total


def test_a_month_of_storage_is_exact(built: World) -> None:
    """The tiers have what was priced: months, with nothing lost in the conversion."""
    rows = built.query(
        "select account_id, sum(tiers.quantity) as months from marts.fct_charge_tiers as tiers"
        " inner join marts.fct_charges using (charge_id) where charge_key = 'stored'"
        " group by account_id order by account_id"
    )
    assert rows == [
        {"account_id": "gb", "months": Decimal("96.63676416")},
        {"account_id": "gib", "months": Decimal(90)},
    ]


def test_a_statement_ends_where_the_threshold_is_reached(built: World) -> None:
    rows = built.query(
        "select period_start, period_end, total_minor from marts.fct_statements"
        " where account_id = 'as_it_comes' and period = '2026-08' order by period_start"
    )
    cut = utc("2026-08-10T01:00:00Z")
    assert [tuple(row.values()) for row in rows] == [
        (utc("2026-08-01"), cut, 10500),
        (cut, utc("2026-09-01"), 3000),
    ]


def test_more_at_once_than_the_plan_allows_is_seen(built: World) -> None:
    """Six sandboxes for thirty days where five may run; one where one may."""
    rows = built.query(
        "select account_id, running_sandboxes, over_limit,"
        " sum(epoch(ended_at - started_at))::bigint as seconds from marts.fct_concurrency"
        " where account_id in ('free', 'sizes') and running_sandboxes > 0 group by all order by 1"
    )
    assert rows == [
        {"account_id": "free", "running_sandboxes": 1, "over_limit": False, "seconds": 864_000},
        {"account_id": "sizes", "running_sandboxes": 6, "over_limit": True, "seconds": 2_592_000},
    ]


def test_what_the_sizes_violate_has_its_seconds(built: World) -> None:
    """One sandbox more than five, and 32 and 64 GB where 16 are the most: thirty days each."""
    rows = built.query(
        "select account_id, code, memory_mib, sum(over_limit_sandbox_seconds) as seconds"
        " from marts.fct_limit_violations group by all order by all"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("sizes", "plan_limit_concurrency", None, 2_592_000),
        ("sizes", "plan_limit_size", 32768, 2_592_000),
        ("sizes", "plan_limit_size", 65536, 2_592_000),
    ]


def test_the_cap_of_the_plan_shuts_the_gate(built: World) -> None:
    """At 50.00 beyond what is included, and without on demand when that is used up."""
    rows = built.query(
        "select account_id, code from marts.dim_usage_gates"
        " where account_id like 'starter%' order by account_id"
    )
    assert {row["account_id"]: row["code"] for row in rows} == {
        "starter": "ok",
        "starter_below": "ok",
        "starter_capped": "spending_cap_reached",
        "starter_covered": "included_exhausted",
        "starter_within": "ok",
    }


def test_seats_and_rate_limits_are_facts_of_the_plan(built: World) -> None:
    rows = built.query(
        "select seats, requests_per_minute from marts.dim_plans where plan_id = 'team'"
    )
    assert rows == [{"seats": 10, "requests_per_minute": 600}]


def test_a_region_without_a_price_is_named(built: World) -> None:
    """Its core-seconds (2 cores, ten hours) cost nothing and stand among what nobody charges."""
    rows = built.query(
        "select dimensions, quantity from marts.fct_unrated_usage"
        " where account_id = 'regions' and meter_id = 'regional_core_seconds'"
    )
    assert [("ap-south-1" in row["dimensions"], row["quantity"]) for row in rows] == [(True, 72000)]


def test_each_published_rate_comes_to_a_price_of_thirty_days() -> None:
    """2,592,000 seconds of a rate are whole dollars, or 2.80, to the cent.

    The first card has monthly prices over the seconds of a day, thirty times too much (84 = 30 *
    2.80); the one of 15 April has ten times the rates of the day before and of a week later.
    """
    april = {"1gb": "2.80", "4gb": "15", "8gb": "35", "16gb": "70", "32gb": "500", "64gb": "1400"}
    ten_times = {"1gb": "28", "4gb": "150", "8gb": "350", "16gb": "700", "32gb": "5000"}
    cards = {
        "03-26": {"4gb": "84", "8gb": "390", "16gb": "2100", "32gb": "15000", "64gb": "42000"},
        "04-02": april | {"8gb": "13"},
        "04-14": april,
        "04-15": ten_times | {"64gb": "14000"},
        "04-22": april,
    }
    book = load_pricebook(files_of(BOOKS / "per_second_sizes"), BOOKS)
    monthly = {
        (row.plan_version, row.charge_key): round(row.unit_amount * 2_592_000, 2)
        for row in book.tiers
        if row.plan_id == "pro"
    }
    assert monthly == {
        (f"2026-{day}T00:00:00Z", f"compute_{size}"): Decimal(dollars)
        for day, card in cards.items()
        for size, dollars in card.items()
    }


@pytest.mark.parametrize("book", books(), ids=lambda book: book.name)
def test_every_book_is_valid_alone_and_says_what_it_is(book: Path) -> None:
    assert [file.name for file in files_of(book)] == ["meters.yaml", "plans.yaml"]
    assert load_pricebook(files_of(book), book).versions
    for file in files_of(book):
        first, second = file.read_text(encoding="utf-8").splitlines()[:2]
        assert first.startswith("# "), file
        assert second.startswith("# "), file


@pytest.mark.parametrize("book", books(), ids=lambda book: book.name)
def test_every_charge_of_a_book_has_a_statement_worked_by_hand(book: Path) -> None:
    """A book, plan or charge that is new has no case above, and fails here."""
    sold = {(row.plan_id, row.charge_key) for row in load_pricebook(files_of(book), book).charges}
    worked = {(case.plan_id, key) for case in CASES.values() for key, *_ in case.lines}
    assert sold, book
    assert sold - worked == set()


def test_every_book_is_in_the_readme() -> None:
    readme = (BOOKS.parents[1] / "README.md").read_text(encoding="utf-8")
    assert [book.name for book in books() if f"`{book.name}/`" not in readme] == []
