"""CloudEvents from the landing zone to the bill: every aggregation, on a warehouse that is built.

The worked cases have their arithmetic beside them. The random one is compared with a plain model of
the rules, written with fractions and without any of the product's code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import duckdb
import pytest
from world import START, World, charge, meters, plan, text_of, utc, version

pytestmark = pytest.mark.integration

NewWorld = Callable[[], World]
Record = dict[str, Any]

AGGREGATIONS = (
    "sum",
    "count",
    "unique_count",
    "max",
    "min",
    "latest",
    "average",
    "weighted_sum",
)
USED = "com.example.used"


def event(
    event_id: str, subject: str | None, at: str | datetime, data: Any = None, **more: Any
) -> Record:
    """A CloudEvent of the source `api` and the type that the meters count."""
    record = {
        "specversion": "1.0",
        "id": event_id,
        "source": "api",
        "type": USED,
        "subject": subject,
        "time": text_of(at),
        "data": data,
    }
    return {key: value for key, value in (record | more).items() if value is not None}


def event_meter(aggregation: str, path: str = "$.n", **more: Any) -> Record:
    """A meter with the name of its aggregation."""
    meter = {
        "meter_id": aggregation,
        "source": "events",
        "event_type": USED,
        "aggregation": aggregation,
        "unit": "unit",
        "stripe_event_name": aggregation,
    }
    return meter | ({} if aggregation == "count" else {"value": path}) | more


def metered(world: World, **more: Any) -> None:
    """A plan with a charge at one cent for each aggregation."""
    world.meters = meters() + [event_meter(each, **more) for each in AGGREGATIONS]
    charges = [charge(each, each) for each in AGGREGATIONS]
    world.plans += [plan("metered", version(START, charges))]


def write(world: World, file: str, records: Iterable[Record]) -> None:
    """Write records as lines of a file of cloudevents/."""
    world.write(f"cloudevents/{file}", "".join(json.dumps(each) + "\n" for each in records))


def charged(world: World, account: str, period: str = "2026-08") -> dict[str, Decimal]:
    """Quantities of an account's usage lines of a month, by charge."""
    rows = world.query(
        """
        select charge_key, sum(quantity) as quantity
        from marts.fct_charges inner join marts.fct_statements using (statement_id)
        where charge_class = 'usage' and fct_charges.account_id = ? and period = ? group by all
        """,
        account,
        period,
    )
    return {row["charge_key"]: row["quantity"] for row in rows}


def dispositions(world: World) -> dict[str, int]:
    """Records of cloudevents/ by what became of them."""
    rows = world.query(
        "select disposition, sum(rows)::bigint as rows from marts.fct_row_dispositions"
        " where source = 'cloudevents' group by all"
    )
    return {row["disposition"]: row["rows"] for row in rows}


def same_after_refresh(world: World, as_of: str | datetime) -> list[str]:
    """The marts that a full refresh in the same home changes."""
    before = world.digests()
    world.build(as_of, full_refresh=True)
    return [name for name, digest in world.digests().items() if before[name] != digest]


def rated_again(world: World) -> set[str]:
    """The accounts whose charges the last build made again."""
    with duckdb.connect(str(world.home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.sql("select account_id from intermediate.int_touched_accounts").fetchall()
    return {account for (account,) in rows}


# --- Worked cases ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(new_world: NewWorld) -> World:
    """One world with every worked case."""
    world = new_world()
    metered(world)
    by_region = [
        charge("eu", "max", where={"region": "eu"}),
        charge("us", "sum", where={"region": "us"}),
    ]
    world.plans += [plan("regions", version(START, by_region))]
    world.meters += [
        event_meter("sum", "$.a.b[1]", event_type="com.example.call")
        | {"meter_id": "calls", "rounding": {"mode": "up", "places": 0}}
    ]
    world.plans += [plan("rounded", version(START, [charge("calls", "calls", "1.00")]))]
    for account in ("every", "carried"):
        world.account(account, plan_id="metered")
    world.account("regions", plan_id="regions")
    world.account("rounded", plan_id="rounded")
    world.account("linked", plan_id="metered")
    world.link("any", "project", "p-17", "linked")
    world.account("unsubscribed", plan_id=None)

    write(
        world,
        "every.jsonl",
        [
            # Before the month: only the level of weighted_sum looks at it.
            event("0", "every", "2026-07-31T23:59:59.999999Z", {"n": 31}),
            event("1", "every", "2026-08-03T10:00:00Z", {"n": "12"}),
            event("2", "every", "2026-08-05T00:00:00Z", {"n": -2.5}),
            event("3", "every", "2026-08-05T00:00:00Z", {"n": 12}),
            event("4", "every", "2026-08-31T23:59:59.999999Z", {"n": 1}),
            event("5", "every", "2026-09-01T00:00:00Z", {"n": 100}),
        ],
    )
    write(
        world,
        "carried.jsonl",
        [
            event("c1", "carried", "2026-07-01T00:00:00Z", {"n": 10}),
            event("c2", "carried", "2026-08-11T00:00:00Z", {"n": -4}),
        ],
    )
    write(
        world,
        "regions.jsonl",
        [
            event("r1", "regions", "2026-08-01T00:00:00Z", {"n": 5, "region": "eu", "user": "x"}),
            event("r2", "regions", "2026-08-02T00:00:00Z", {"n": 7, "region": "us", "user": "y"}),
            event("r3", "regions", "2026-08-02T00:00:00Z", {"n": 3, "region": "us", "user": "z"}),
            event("r4", "regions", "2026-08-03T00:00:00Z", {"n": 9}),
        ],
    )
    write(
        world,
        "rounded.jsonl",
        [
            event(f"k{day}", "rounded", f"2026-08-0{day}T00:00:00Z", data, type="com.example.call")
            for day, data in enumerate(
                ({"a": {"b": ["x", "1.2"]}}, {"a": {"b": [0, 1.00000000000001]}}), 1
            )
        ],
    )
    write(
        world,
        "odd.jsonl",
        [
            event("o1", "p-17", "2026-08-03T10:00:00Z", {"n": 1}),
            event("o2", "stranger", "2026-08-03T10:00:00Z", {"n": 1}),
            event("o3", None, "2026-08-03T10:00:00Z", {"n": 1}),
            event("o4", "linked", "2026-08-03T10:00:00Z", {"n": 1}, type="com.example.other"),
            event("o5", "unsubscribed", "2026-08-03T10:00:00Z", {"n": 1}),
            # count takes it, the meters that need a number do not.
            event("o6", "linked", "2026-08-03T11:00:00Z", {"n": "many"}),
            event("o7", "linked", "2026-08-03T12:00:00Z"),
            event("o1", "p-17", "2026-08-03T10:00:00Z", {"n": 1}),
            # Another event under the same id, told later and earlier: the earlier one counts.
            event("o8", "linked", "2026-08-04T10:00:00Z", {"n": 50}),
            event("o8", "linked", "2026-08-04T09:00:00Z", {"n": 2}),
            event("o8", "linked", "2026-08-04T10:00:00Z", {"n": 4}, source="api-2"),
            event("o9", "linked", "2026-09-30T00:00:00Z", {"n": 1}),
            event("o10", "linked", "2026-08-04T10:00:00Z", specversion="0.3"),
            {"specversion": "1.0", "id": "o11", "source": "api", "type": USED},
        ],
    )
    world.build("2026-09-10T00:00:00Z")
    return world


def test_each_aggregation_of_a_month(built: World) -> None:
    """12, -2.5, 12 and 1 in August, 31 before it.

    sum 22.5; count 4; texts 12, -2.5, 1; largest 12; smallest -2.5, which bills nothing; the last
    1; average 22.5 / 4 = 5.625. The level is 31 from July, 43 from the 3rd at 10:00, 52.5 from the
    5th, and 53.5 for the last microsecond: in 31 days of 86400 s
    (31 * 208800 + 43 * 136800 + 52.5 * 2332800 + 1 * 0.000001) / 2678400
    = (6472800 + 5882400 + 122472000 + 0.000001) / 2678400
    = 50.338709677419354(8) + 0.000000000000373(4) = 50.338709677419728, so 50.338709677420.
    """
    assert charged(built, "every") == {
        "sum": Decimal("22.5"),
        "count": Decimal(4),
        "unique_count": Decimal(3),
        "max": Decimal(12),
        "latest": Decimal(1),
        "average": Decimal("5.625"),
        "weighted_sum": Decimal("50.338709677420"),
    }


def test_a_level_carries_over(built: World) -> None:
    """10 since July, 6 from August 11th: (10 * 10 + 6 * 21) / 31 = 226 / 31 = 7.290322580645(2).

    The month has nothing else than the change of -4: its sum bills nothing. September is open: 6
    for 9 of its 30 days, 6 * 9 / 30 = 1.8.
    """
    assert charged(built, "carried") == {
        "count": Decimal(1),
        "unique_count": Decimal(1),
        "weighted_sum": Decimal("7.290322580645"),
    }
    assert charged(built, "carried", "2026-09") == {"weighted_sum": Decimal("1.8")}


def test_a_charge_takes_what_its_where_names(built: World) -> None:
    """Largest of eu 5; sum of us 7 + 3. The members that no charge names split nothing."""
    assert charged(built, "regions") == {"eu": Decimal(5), "us": Decimal(10)}
    unrated = built.query(
        "select meter_id, dimensions, quantity from marts.fct_unrated_usage"
        " where account_id = 'regions' order by all"
    )
    assert [tuple(row.values()) for row in unrated] == [
        ("max", '{"region":"us"}', Decimal(7)),
        ("max", "{}", Decimal(9)),
        ("sum", '{"region":"eu"}', Decimal(5)),
        ("sum", "{}", Decimal(9)),
    ]


def test_the_quantity_of_the_period_is_rounded_up(built: World) -> None:
    """1.2 + 1.00000000000001 = 2.20000000000001 is 3 calls, at a dollar each."""
    rows = built.query(
        "select quantity, amount_minor from marts.fct_charges where account_id = 'rounded'"
    )
    assert [tuple(row.values()) for row in rows] == [(Decimal(3), 300)]


def test_what_became_of_every_record(built: World) -> None:
    """Billed: 6, 2, 4, 2, and o1, o6, o7 (by their count) and the two events o8.

    Not billable: a type without a meter, and an account without a plan.
    """
    assert dispositions(built) == {
        "billed": 6 + 2 + 4 + 2 + 5,
        "duplicate": 2,
        "unattributed": 2,
        "not_billable": 2,
        "pending": 1,
        "quarantined": 2,
    }
    reasons = [row["reason"] for row in built.quarantine() if row["source"] == "cloudevents"]
    assert reasons == ["specversion must be '1.0', not '0.3'", "time is missing"]
    assert charged(built, "linked")["count"] == 5
    # 1 of o1, 2 of o8, 4 of the other source's o8.
    assert charged(built, "linked")["sum"] == 7


def test_what_a_person_should_know(built: World) -> None:
    rows = built.query(
        "select issue, account_id, source_account, sandbox_id, execution_id, started_at"
        " from marts.fct_usage_issues where provider = 'cloudevents' order by 5, 1"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("event_value_not_a_number", "linked", "api", USED, "o6", utc("2026-08-03T11:00:00")),
        ("event_value_missing", "linked", "api", USED, "o7", utc("2026-08-03T12:00:00")),
        ("event_id_reused", "linked", "api", USED, "o8", utc("2026-08-04T09:00:00")),
    ]


# --- Any order, any batches, any time -------------------------------------------------------

STEPS = (
    utc("2026-08-05T12:34:56.000001"),
    utc("2026-08-20T00:00:00"),
    utc("2026-09-03T06:07:08"),
)
PERIODS = {
    "2026-07": (utc("2026-07-01"), utc("2026-08-01")),
    "2026-08": (utc("2026-08-01"), utc("2026-09-01")),
    "2026-09": (utc("2026-09-01"), utc("2026-10-01")),
}

BILLED = ("ann", "bob", "cat", "dan")
NOBODY = "eve"


def history(random: Random, size: int) -> list[Record]:
    """Events of four accounts and of nobody, a third told again, a tenth under an id in use."""
    told: list[Record] = []
    for number in range(size):
        kind = random.random()
        if told and kind < 0.3:
            told.append(random.choice(told))
            continue
        event_id = random.choice(told)["id"] if told and kind < 0.4 else f"e{number}"
        # Few instants, so that some events share one.
        at = utc("2026-07-25") + timedelta(hours=random.randrange(40 * 12) * 2)
        value = random.choice([str(random.randrange(9)), random.randrange(-4, 20), 0.25, "x", None])
        data = {"n": value, "region": random.choice(["eu", "us", None])}
        told.append(event(event_id, random.choice([*BILLED, NOBODY]), at, data))
    return told


def microseconds(delta: timedelta) -> int:
    return delta // timedelta(microseconds=1)


def rounded(number: Fraction) -> Decimal:
    """Half away from zero, twelve places."""
    units = (abs(number) * 10**12 * 2 + 1) // 2
    return Decimal(int(units) * (-1 if number < 0 else 1)).scaleb(-12)


class Model:
    """The rules in plain Python, for the events told by `as_of`."""

    def __init__(self, told: list[Record], as_of: datetime) -> None:
        self.as_of = as_of
        first: dict[str, tuple[Any, ...]] = {}
        for record in told:
            at = datetime.fromisoformat(record["time"])
            if at > as_of:
                continue
            value = record["data"]["n"]
            texts = {key: str(each) for key, each in record["data"].items() if each is not None}
            content = json.dumps(
                [
                    USED,
                    record["subject"],
                    str(microseconds(at - datetime(1970, 1, 1, tzinfo=UTC))),
                    json.dumps(dict(sorted(texts.items())), separators=(",", ":")),
                ],
                separators=(",", ":"),
            )
            known = (at, content, record["id"], record["subject"], value, texts.get("region"))
            first[record["id"]] = min(first.get(record["id"], known), known)
        self.events: dict[str, list[tuple[Any, ...]]] = {}
        for known in sorted(first.values(), key=lambda known: (known[0], known[2])):
            self.events.setdefault(known[3], []).append(known)

    def quantity(
        self, account: str, aggregation: str, start: datetime, end: datetime, region: str = ""
    ) -> Fraction | None:
        """The aggregation of a window; None without any event in it (or level, if it is one)."""
        mine = [each for each in self.events.get(account, []) if not region or each[5] == region]
        within = [each for each in mine if start <= each[0] < end]
        if aggregation == "count":
            return Fraction(len(within)) if within else None
        if aggregation == "unique_count":
            texts = {str(each[4]) for each in within if each[4] is not None}
            return Fraction(len(texts)) if texts else None
        if aggregation == "weighted_sum":
            return self._weighted(mine, start, end)
        numbers = [Fraction(str(each[4])) for each in within if each[4] not in (None, "x")]
        if not numbers:
            return None
        total = sum(numbers, Fraction(0))
        return {
            "sum": total,
            "max": max(numbers),
            "min": min(numbers),
            "latest": numbers[-1],
            "average": total / len(numbers),
        }[aggregation]

    def _weighted(self, mine: list[Any], start: datetime, end: datetime) -> Fraction | None:
        changes = [(each[0], Fraction(str(each[4]))) for each in mine if each[4] not in (None, "x")]
        edges = sorted({start, *(at for at, _ in changes if start < at < end)})
        stop = min(end, self.as_of)
        stretches = []
        for left, right in zip(edges, [*edges[1:], stop], strict=True):
            level = sum((value for at, value in changes if at <= left), Fraction(0))
            if level and right > left:
                stretches.append(level * microseconds(right - left))
        return sum(stretches, Fraction(0)) / microseconds(end - start) if stretches else None


def assert_as_modelled(world: World, told: list[Record], as_of: datetime) -> None:
    """Lines, days and hours are what the model says."""
    model = Model(told, as_of)
    for account in BILLED:
        for period, (start, end) in PERIODS.items():
            expected = {
                each: rounded(quantity)
                for each in AGGREGATIONS
                if (quantity := model.quantity(account, each, start, end)) is not None
            }
            eu = model.quantity(account, "max", start, end, "eu")
            expected |= {"eu": rounded(eu)} if eu is not None else {}
            billed = {key: quantity for key, quantity in expected.items() if quantity > 0}
            assert charged(world, account, period) == billed, (account, period)
    for table, column, length in (
        ("fct_usage_daily", "usage_date", timedelta(days=1)),
        ("fct_usage_hourly", "usage_hour", timedelta(hours=1)),
    ):
        rows = world.query(
            f"""
            select account_id, meter_id, {column}::timestamptz as used_from, quantity
            from marts.{table} where dimensions = '{{}}' and meter_id <> 'max'
            """
        )
        found = {
            (row["account_id"], row["meter_id"], row["used_from"]): row["quantity"] for row in rows
        }
        expected_windows = {}
        at = PERIODS["2026-07"][0]
        while at < as_of:
            for account in (*BILLED, NOBODY):
                for each in AGGREGATIONS:
                    quantity = model.quantity(account, each, at, at + length)
                    if each != "max" and quantity is not None:
                        name = "unattributed" if account == NOBODY else account
                        expected_windows[name, each, at] = rounded(quantity)
            at += length
        assert found == expected_windows


def prepared(world: World) -> World:
    """Accounts on a plan whose second version has the prices of the first."""
    world.meters = meters() + [event_meter(each) for each in AGGREGATIONS]
    charges = [charge(each, each) for each in AGGREGATIONS]
    charges += [charge("eu", "max", where={"region": "eu"})]
    world.plans += [
        plan("metered", version(START, charges), version("2026-08-13T04:05:06Z", charges))
    ]
    for account in BILLED:
        world.account(account, plan_id="metered")
    return world


def test_batches_order_and_the_moving_clock(new_world: NewWorld) -> None:
    """After each batch the increment equals the model and a full refresh; at the end, one build of
    everything in other files. Told again, nothing changes but the repetitions."""
    random = Random(1)
    records = history(random, 180)
    world = prepared(new_world())
    batches = [random.sample(records, len(records))[number::3] for number in range(3)]
    told: list[Record] = []
    for number, (batch, as_of) in enumerate(zip(batches, STEPS, strict=True)):
        told += batch
        write(world, f"{number}.jsonl", batch)
        world.build(as_of)
        assert_as_modelled(world, told, as_of)
        assert same_after_refresh(world, as_of) == []
    assert sum(dispositions(world).values()) == len(told)

    at_once = prepared(new_world())
    shuffled = random.sample(told, len(told))
    at_once.write("cloudevents/batch.json", json.dumps(shuffled[:40]))
    write(at_once, "rest.jsonl", shuffled[40:])
    at_once.build(STEPS[-1])
    ours, theirs = world.digests(), at_once.digests()
    assert [name for name in ours if ours[name] != theirs[name]] == ["fct_row_dispositions"]
    assert dispositions(at_once) == dispositions(world)

    write(world, "again.jsonl", shuffled[:7])
    world.build(STEPS[-1])
    after = world.digests()
    assert [name for name in ours if ours[name] != after[name]] == ["fct_row_dispositions"]
    before, now = dispositions(at_once), dispositions(world)
    added = {key: now[key] - before.get(key, 0) for key in now if now[key] != before.get(key, 0)}
    assert added == {"duplicate": 7}


def test_time_passes_for_a_level_without_a_record(new_world: NewWorld) -> None:
    """A level of 3 since August 1st: 3 * 9 / 31 by the 10th, 3 * 19 / 31 by the 20th, 3 in the
    closed month, and 3 * 2 / 30 in September.

    Only its account is rated again when nothing but the clock moved; `still` is back at zero, with
    2 for two days: 4 / 31. An event of `still` then changes nothing of the other's.
    """
    world = new_world()
    metered(world)
    world.account("runs", plan_id="metered")
    world.account("still", plan_id="metered")
    level = {
        "runs.jsonl": [event("1", "runs", "2026-08-01T00:00:00Z", {"n": 3})],
        "still.jsonl": [
            event("2", "still", "2026-08-01T00:00:00Z", {"n": 2}),
            event("3", "still", "2026-08-03T00:00:00Z", {"n": -2}),
        ],
    }
    for file, records in level.items():
        write(world, file, records)
    world.build("2026-08-10T00:00:00Z")
    assert charged(world, "runs")["weighted_sum"] == Decimal("0.870967741935")
    world.build("2026-08-20T00:00:00Z")
    assert rated_again(world) == {"runs"}
    assert charged(world, "runs")["weighted_sum"] == Decimal("1.838709677419")
    assert charged(world, "still")["weighted_sum"] == Decimal("0.129032258065")
    write(world, "peak.jsonl", [event("4", "still", "2026-08-19T00:00:00Z", {"n": 0})])
    world.build("2026-09-03T00:00:00Z")
    assert charged(world, "runs")["weighted_sum"] == 3
    assert charged(world, "runs", "2026-09") == {"weighted_sum": Decimal("0.2")}
    assert charged(world, "still")["weighted_sum"] == Decimal("0.129032258065")
    assert same_after_refresh(world, "2026-09-03T00:00:00Z") == []


def test_another_price_book_counts_anew(new_world: NewWorld) -> None:
    """A path, a where and an aggregation that change: the increment equals a full refresh."""
    world = prepared(new_world())
    write(world, "a.jsonl", history(Random(3), 60))
    world.build(STEPS[1])
    world.meters = meters() + [
        event_meter(each, path="$.region" if each == "unique_count" else "$.n")
        | ({"aggregation": "weighted_sum"} if each == "max" else {})
        for each in AGGREGATIONS
        if each != "min"
    ]
    charges = [charge(each, each) for each in AGGREGATIONS if each != "min"]
    charges += [charge("us", "average", where={"region": "us"})]
    world.plans = [world.plans[0], plan("metered", version(START, charges))]
    world.build(STEPS[1])
    assert same_after_refresh(world, STEPS[1]) == []
    regions = world.query(
        "select distinct quantity from marts.fct_usage_daily where meter_id = 'unique_count'"
    )
    # The path is another one: there are only two regions.
    assert {row["quantity"] for row in regions} <= {Decimal(1), Decimal(2)}


def test_a_late_event_corrects_an_approved_month(new_world: NewWorld) -> None:
    """Approved with a largest value of 5 and an average of 4; then a 9 becomes known late.

    The largest is 9, 4 more; the average of 3, 5 and 9 is 17 / 3 = 5.666666666667, so
    1.666666666667 more; both as corrections on September's statement.
    """
    world = new_world()
    metered(world)
    world.account("late", plan_id="metered")
    write(
        world,
        "a.jsonl",
        [
            event("1", "late", "2026-08-03T10:00:00Z", {"n": 3}),
            event("2", "late", "2026-08-03T11:00:00Z", {"n": 5}),
        ],
    )
    world.build("2026-09-02T00:00:00Z")
    assert charged(world, "late")["max"] == 5
    assert charged(world, "late")["average"] == 4
    world.approve("2026-08", "2026-09-02T00:00:00Z")
    write(world, "b.jsonl", [event("3", "late", "2026-08-03T09:00:00Z", {"n": 9})])
    world.build("2026-09-03T00:00:00Z")
    rows = world.query(
        "select charge_key, quantity from marts.fct_charges where charge_class = 'correction'"
    )
    corrections = {row["charge_key"]: row["quantity"] for row in rows}
    assert corrections["max"] == 4
    assert corrections["average"] == Decimal("1.666666666667")
    assert "latest" not in corrections
    assert charged(world, "late")["max"] == 5
