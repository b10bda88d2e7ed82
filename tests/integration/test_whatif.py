"""A month under another price book, against sums done by hand.

Every account is a case of its own: it has a plan of its own name, and one kind of change. Plain
charges cost one cent a unit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from world import START, World, charge, interval, meters, plan, quantity, utc, version

from dagster_project.lib import rerating, whatif
from dagster_project.lib.dbt_project import read_manifest
from ingest.errors import CheckFailed, UsageError

pytestmark = pytest.mark.integration

NOW = utc("2026-09-02T12:00:00Z")
AUGUST = ("2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
USED = "com.example.used"


def one_charge(name: str, one: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan with one charge."""
    return plan(name, version(START, [one], **more))


def tiered(name: str, model: str) -> dict[str, Any]:
    """100 pages at two cents, all others at one."""
    tiers = [
        {"up_to": "100", "unit_amount": "0.02", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "0.01", "flat_amount": "0"},
    ]
    return one_charge(name, charge("pages", "pages", model=model, properties={"tiers": tiers}))


def events_meter(aggregation: str, meter_id: str = "used") -> dict[str, Any]:
    """The events' `n`."""
    return {
        "meter_id": meter_id,
        "source": "events",
        "event_type": USED,
        "aggregation": aggregation,
        "value": "$.n",
        "unit": "unit",
    }


METERS = [*meters("pages"), events_meter("sum"), events_meter("sum", "told")]
# What the events say that they cost.
DYNAMIC = charge("told", "told", model="dynamic", properties={"amount": "$.cost"})
# It will split the events by a member of their data, which nobody knows yet.
ANNOUNCED = version(
    "2026-08-20T00:00:00Z",
    [charge("used", "used", where={"model": "small"})],
    published_at="2026-12-01T00:00:00Z",
)
PLANS = [
    one_charge("same", charge("pages", "pages")),
    one_charge("dearer", charge("pages", "pages")),
    one_charge("gone", charge("pages", "pages")),
    one_charge("grown", charge("pages", "pages")),
    one_charge("remeasured", charge("time", "sandbox_seconds")),
    plan("events", version(START, [charge("used", "used")]), ANNOUNCED),
    tiered("tiers", "graduated"),
    one_charge("minimum", charge("pages", "pages"), minimum_amount="1.00"),
    one_charge("converted", charge("pages", "pages")),
    one_charge("late", charge("pages", "pages")),
    one_charge("future", charge("pages", "pages")),
    one_charge("yearly", charge("pages", "pages")),
    one_charge("told", DYNAMIC),
]
CORES = {"meter_id": "cores", "source": "compute", "measure": "cpu_core_seconds", "unit": "core"}
OTHER_METERS = [*meters("pages"), events_meter("max"), events_meter("sum", "told"), CORES]
OTHER_PLANS = [
    one_charge("same", charge("pages", "pages")),
    one_charge("dearer", charge("pages", "pages", "0.02")),
    plan("grown", version(START, [charge("pages", "pages"), charge("cores", "cores")])),
    one_charge("remeasured", charge("time", "cores")),
    one_charge("events", charge("used", "used")),
    tiered("tiers", "volume"),
    one_charge("minimum", charge("pages", "pages"), minimum_amount="2.00"),
    one_charge("converted", charge("pages", "pages"), currency="eur"),
    one_charge("late", charge("pages", "pages", "0.03")),
    plan("future", version("2026-12-01T00:00:00Z", [charge("pages", "pages")])),
    one_charge("yearly", charge("pages", "pages"), interval="year"),
    one_charge("told", DYNAMIC | {"percentage_discount": "50"}),
]


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """Ten pages for every account but where a case says otherwise."""
    world = new_world()
    world.meters, world.plans = METERS, [*world.plans, *PLANS]
    for each in PLANS:
        world.account(each["plan_id"], plan_id=each["plan_id"], started_at="2026-07-01T00:00:00Z")
    pages = {each["plan_id"]: "10" for each in PLANS} | {"tiers": "150"}
    world.write("quantities/pages.csv", [
        quantity(f"q-{name}", name, "pages", number, *AUGUST)
        for name, number in pages.items() if name not in {"remeasured", "events", "told"}
    ])  # fmt: skip
    world.write("quantities/july.csv", [
        quantity("q-july", "late", "pages", "10", "2026-07-03T10:00:00Z", "2026-07-03T11:00:00Z"),
    ])  # fmt: skip
    # An hour on two cores.
    world.write("intervals/hour.csv", [
        interval(f"i-{name}", name, f"box-{name}", *AUGUST, vcpu="2")
        for name in ("grown", "remeasured")
    ])  # fmt: skip
    lines = [
        {
            "specversion": "1.0", "id": f"e-{n}", "source": "api", "type": USED,
            "subject": account, "time": f"2026-08-0{n}T10:00:00Z", "data": {"n": n, "cost": "0.40"},
        }
        for n, account in ((5, "events"), (7, "events"), (6, "told"))
    ]  # fmt: skip
    world.write("cloudevents/used.ndjson", "".join(json.dumps(each) + "\n" for each in lines))
    world.build("2026-08-01T12:00:00Z")
    world.approve("2026-07", "2026-08-01T13:00:00Z", ["late"])
    world.write("quantities/late.csv", [
        quantity("q-more", "late", "pages", "5", "2026-07-04T10:00:00Z", "2026-07-04T11:00:00Z"),
    ])  # fmt: skip
    world.build(NOW)
    return world


def written(folder: Path, book_meters: list[Any], plans: list[Any]) -> Path:
    """A price book in a folder of its own."""
    folder.mkdir()
    book = {"meters": book_meters, "plans": plans}
    (folder / "book.yaml").write_text(yaml.safe_dump(book, sort_keys=False))
    return folder


def asked(world: World, book: Path, period: str = "2026-08", now: datetime = NOW) -> dict[str, Any]:
    return whatif.compare(world.settings(now), book, period)


def refused(world: World, book: Path, period: str = "2026-08") -> str:
    with pytest.raises(UsageError) as error:
        asked(world, book, period)
    return str(error.value)


@pytest.fixture(scope="module")
def other(built: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """August under the other price book."""
    book = written(tmp_path_factory.mktemp("other") / "book", OTHER_METERS, OTHER_PLANS)
    return asked(built, book)


def differences(answer: dict[str, Any], account: str) -> list[tuple[Any, ...]]:
    """The rows of an account: charge, currency, cents before, after, and their difference."""
    names = ("charge_key", "currency", "before_minor", "after_minor", "difference_minor")
    rows = [row for row in answer["differences"] if row["account_id"] == account]
    return [tuple(row[name] for name in names) for row in rows]


def test_what_is_the_same_is_not_told(other: dict[str, Any]) -> None:
    assert differences(other, "same") == []


def test_another_price(other: dict[str, Any]) -> None:
    # 10 x 0.01 = 0.10; 10 x 0.02 = 0.20.
    assert differences(other, "dearer") == [("pages", "usd", 10, 20, 10)]
    [row] = [row for row in other["differences"] if row["account_id"] == "dearer"]
    told = {name: row[name] for name in ("subscription_id", "plan_id", "charge_class", "meter_id")}
    assert told == {
        "subscription_id": "sub-dearer-1",
        "plan_id": "dearer",
        "charge_class": "usage",
        "meter_id": "pages",
    }
    assert [Decimal(row[f"amount_{side}"]) for side in ("before", "after")] == [
        Decimal("0.10"),
        Decimal("0.20"),
    ]


def test_a_plan_that_the_other_book_has_not(other: dict[str, Any]) -> None:
    assert differences(other, "gone") == [("pages", "usd", 10, None, -10)]
    [note] = [note for note in other["notes"] if note.startswith("plan gone ")]
    assert note.endswith("1 lines of 1 subscriptions count as removed")


def test_a_plan_without_a_version_then(other: dict[str, Any]) -> None:
    assert differences(other, "future") == [("pages", "usd", 10, None, -10)]
    assert any(
        note.startswith("plan future has no version") and "in force in 2026-08" in note
        for note in other["notes"]
    )


def test_amounts_that_events_tell(other: dict[str, Any]) -> None:
    # 0.40 both times, and half of it off.
    assert differences(other, "told") == [("told", "usd", None, -20, -20)]


def test_amounts_that_nobody_read(built: World, tmp_path: Path) -> None:
    elsewhere = DYNAMIC | {"properties": {"amount": "$.price"}}
    book = written(tmp_path / "book", METERS, [one_charge("told", elsewhere)])
    assert f"amounts at $.price of events of type {USED}" in refused(built, book)


def test_a_plan_that_is_billed_by_the_year(other: dict[str, Any]) -> None:
    # Its period begins in January, so the month has no line of it.
    assert differences(other, "yearly") == [("pages", "usd", 10, None, -10)]
    [note] = [note for note in other["notes"] if note.startswith("plan yearly ")]
    assert "is billed by another period" in note


def test_a_version_that_is_not_published_yet(other: dict[str, Any]) -> None:
    [note] = [note for note in other["notes"] if note.startswith("plan future, version")]
    assert "published at 2026-12-01T00:00:00Z" in note


def test_a_charge_that_the_plan_did_not_have(other: dict[str, Any]) -> None:
    # 3600 s x 2 cores x 0.01 = 72.00, on a meter that was not there before.
    assert differences(other, "grown") == [("cores", "usd", None, 7200, 7200)]


def test_a_charge_on_another_measure(other: dict[str, Any]) -> None:
    # Seconds: 3600 x 0.01 = 36.00. Core-seconds: 7200 x 0.01 = 72.00. Two meters, so two rows.
    assert sorted(differences(other, "remeasured"), key=str) == [
        ("time", "usd", 3600, None, -3600),
        ("time", "usd", None, 7200, 7200),
    ]


def test_events_aggregated_otherwise(other: dict[str, Any]) -> None:
    # 5 + 7 = 12; the larger is 7.
    assert differences(other, "events") == [("used", "usd", 12, 7, -5)]


def test_volume_instead_of_graduated(other: dict[str, Any]) -> None:
    # Graduated: 100 x 0.02 + 50 x 0.01 = 2.50. Volume: 150 x 0.01 = 1.50.
    assert differences(other, "tiers") == [("pages", "usd", 250, 150, -100)]


def test_another_minimum(other: dict[str, Any]) -> None:
    # 0.10 of usage: trued up by 0.90 to 1.00, by 1.90 to 2.00.
    assert differences(other, "minimum") == [("minimum_amount", "usd", 90, 190, 100)]


def test_currencies_are_never_taken_from_each_other(other: dict[str, Any]) -> None:
    assert sorted(differences(other, "converted")) == [
        ("pages", "eur", None, 10, 10),
        ("pages", "usd", 10, None, -10),
    ]
    totals = {row["currency"]: row["after_minor"] for row in other["totals"]}
    assert totals["eur"] == 10


def test_totals(other: dict[str, Any]) -> None:
    """Totals of an account have all of its lines, those that are the same too."""
    # Ten pages, 0.10 on both sides, and the cores, 72.00.
    [row] = [row for row in other["accounts"] if row["account_id"] == "grown"]
    assert (row["before_minor"], row["after_minor"], row["difference_minor"]) == (10, 7210, 7200)
    assert "same" not in {row["account_id"] for row in other["accounts"]}
    # Before, in cents: same, dearer, gone, grown, converted, late, future, yearly with ten pages
    # each, and `minimum` (100); time 3600, events 12, told 40, tiers 250. After: same 10,
    # dearer 20, grown 7210, remeasured 7200, events 7, tiers 150, minimum 200, late 30, told 20.
    [usd] = [row for row in other["totals"] if row["currency"] == "usd"]
    assert (usd["before_minor"], usd["after_minor"]) == (80 + 100 + 3600 + 12 + 40 + 250, 14847)


def test_an_approved_month_is_rated_afresh(built: World, tmp_path: Path) -> None:
    """Not what was approved is compared, but what today's facts would come to."""
    book = written(tmp_path / "book", OTHER_METERS, OTHER_PLANS)
    # 10 pages were approved, 5 came later: 15 at one cent, at three.
    assert differences(asked(built, book, "2026-07"), "late") == [("pages", "usd", 15, 45, 30)]


def test_the_same_book_differs_in_nothing_and_touches_nothing(
    built: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = built.settings(NOW).warehouse_path
    before = hashlib.sha256(warehouse.read_bytes()).hexdigest()
    own = rerating.run_dbt

    def while_rating(*arguments: Any, **options: Any) -> Any:
        # Nobody has the warehouse now: even a writer gets it.
        duckdb.connect(str(warehouse)).close()
        return own(*arguments, **options)

    monkeypatch.setattr(rerating, "run_dbt", while_rating)
    answer = asked(built, built.landing / "pricebook")
    assert (answer["differences"], answer["accounts"], answer["notes"]) == ([], [], [])
    assert hashlib.sha256(warehouse.read_bytes()).hexdigest() == before
    assert not (built.home / "whatif").exists()


def test_nothing_is_left_after_a_failure(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: Any, **_options: Any) -> Any:
        assert (built.home / "whatif").exists()
        raise CheckFailed("broken off")

    monkeypatch.setattr(rerating, "run_dbt", fails)
    with pytest.raises(CheckFailed, match="broken off"):
        asked(built, built.landing / "pricebook")
    assert not (built.home / "whatif").exists()


def test_events_that_were_not_measured_are_refused(built: World, tmp_path: Path) -> None:
    """What no meter read from the raw records cannot be rated without reading them again."""
    cases = {
        "type": events_meter("sum") | {"event_type": "com.example.other"},
        "value": events_meter("sum") | {"value": "$.other"},
        "text": events_meter("unique_count"),
    }
    for name, meter in cases.items():
        book = written(tmp_path / name, [*meters("pages"), meter], OTHER_PLANS[4:5])
        message = refused(built, book)
        assert message.startswith("meter used of the other price book measures events of type")
        assert "\n" not in message
    where = one_charge("events", charge("used", "used", where={"model": "small"}))
    book = written(tmp_path / "where", [*meters("pages"), events_meter("sum")], [where])
    assert "meter used of the other price book" in refused(built, book)


def test_a_bad_book_is_refused_with_its_own_errors(built: World, tmp_path: Path) -> None:
    book = tmp_path / "bad"
    book.mkdir()
    (book / "book.yaml").write_text(
        "meters: []\nplans:\n  - plan_id: a\n    name: A\n    colour: red\n    versions: []\n"
    )
    assert refused(built, book).splitlines()[0].startswith("bad/book.yaml:5: plans[0].colour")
    assert "is not a folder" in refused(built, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no .yaml file" in refused(built, tmp_path / "empty")


def test_an_unknown_month_is_refused(built: World, tmp_path: Path) -> None:
    book = written(tmp_path / "book", METERS, PLANS)
    message = refused(built, book, "2031-01")
    assert message == (
        "no billing period begins in 2031-01; those that are built go from 2026-07 to 2026-09"
    )


def test_a_warehouse_that_is_behind_is_refused(world: World, tmp_path: Path) -> None:
    """Files that no build has seen would be on one side of the comparison only."""
    from dagster_project.lib import pipeline

    book = written(tmp_path / "other", meters(), world.plans)
    settings = world.settings(NOW)
    assert "no warehouse at" in refused(world, book)
    world.account("one")
    world.write_references()
    pipeline.load(settings, run_id="load", as_of=NOW, full_refresh=False)
    assert "nothing is built" in refused(world, book)
    world.build(NOW)
    world.account("two")
    world.write_references()
    pipeline.load(settings, run_id="load", as_of=NOW, full_refresh=False)
    assert "does not answer for what is loaded" in refused(world, book)


def test_no_raw_usage_record_is_read() -> None:
    """Of the sources, rating under another book reads the price book only.

    What is copied beside it are tables of measured usage, and accounts and subscriptions.
    """
    manifest = read_manifest()
    models = rerating.rating_models(manifest)
    assert {"int_segment_usage", "int_charge_quantities", "int_lines_rated"} <= set(models.built)
    nodes = {node["name"]: node for node in manifest["nodes"].values()}
    sources = {
        manifest["sources"][parent]["source_name"]
        for name in models.built
        for parent in nodes[name]["depends_on"]["nodes"]
        if parent.startswith("source.")
    }
    assert sources == {"pricebook"}

    def sources_of(name: str) -> set[str]:
        """The sources that a query of the relation itself would read."""
        found = set()
        for parent in nodes[name]["depends_on"]["nodes"]:
            if parent.startswith("source."):
                found.add(manifest["sources"][parent]["source_name"])
            elif manifest["nodes"][parent]["config"]["materialized"] in {"view", "ephemeral"}:
                found |= sources_of(manifest["nodes"][parent]["name"])
        return found

    read = set()
    for relation in models.copied:
        name = relation.split(".")[1]
        if nodes[name]["config"]["materialized"] in {"view", "ephemeral"}:
            read |= sources_of(name)
    assert read <= {"accounts", "billing_reference", "stripe_exports", "ops", "ledger"}
