"""What `--as-of` promises: a build uses what was known by then, whenever it was loaded.

One landing zone holds everything from the start. It is built at five instants going forward, the
way a scheduler does, and again in other homes and other orders.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal

import pytest
from recorded_dbt import RecordedDbt
from world import (
    START,
    World,
    capture,
    charge,
    e2b,
    interval,
    meters,
    plan,
    quantity,
    scale_event,
    utc,
    version,
)

pytestmark = pytest.mark.integration

BEFORE_APPROVAL = "2026-08-01T11:00:00Z"
APPROVAL = "2026-08-01T12:00:00Z"
AFTER_APPROVAL = "2026-08-01T13:00:00Z"
EARLY = "2026-08-15T10:30:00Z"
MIDDLE = "2026-08-15T12:03:00Z"
LAST = "2026-08-21T00:00:00Z"
INSTANTS = (BEFORE_APPROVAL, AFTER_APPROVAL, EARLY, MIDDLE, LAST)


def prepare(world: World) -> None:
    """Everything that is ever told, in one landing zone."""
    world.meters = meters("pages")
    world.plans += [
        plan(
            "announced",
            version(START, [charge("seconds", "sandbox_seconds", "1"), charge("pages", "pages")]),
            version(
                "2026-08-10T00:00:00Z",
                [charge("seconds", "sandbox_seconds", "3"), charge("pages", "pages")],
                published_at="2026-08-20T00:00:00Z",
            ),
        )
    ]
    for name in ("hooks", "scales", "rows", "prices"):
        world.account(name, plan_id="announced", started_at="2026-07-01T00:00:00Z")
    world.write("e2b/hooks.ndjson", [
        # Known at once, known three minutes late, known a day late, and July known in August.
        capture(e2b("killed", "2026-07-31T10:00:00Z", "h-july", customer="hooks", ran_ms=7_000),
                "2026-07-31T10:00:01Z"),
        capture(e2b("created", "2026-08-15T10:00:00Z", "h-1", customer="hooks"),
                "2026-08-15T10:00:01Z"),
        capture(e2b("killed", "2026-08-15T12:00:00Z", "h-1", customer="hooks", ran_ms=7_200_000),
                "2026-08-15T12:05:00Z"),
        capture(e2b("killed", "2026-08-15T10:00:00Z", "h-2", customer="hooks", ran_ms=60_000),
                "2026-08-16T10:00:00Z"),
        capture(e2b("killed", "2026-07-31T11:00:00Z", "h-late", customer="hooks", ran_ms=5_000),
                "2026-08-15T11:00:00Z"),
    ])  # fmt: skip
    world.write("opencomputer/scale_events/dumps.ndjson", [
        scale_event("se-1", "scales", "oc-1", "2026-08-15T10:00:00Z", None),
        scale_event("se-1", "scales", "oc-1", "2026-08-15T10:00:00Z", "2026-08-15T12:00:00Z"),
        scale_event("se-2", "scales", "oc-2", "2026-08-15T11:00:00Z", None),
    ])  # fmt: skip
    world.write("intervals/rows.csv", [
        interval("r-1", "rows", "r-1", "2026-08-15T10:00:00Z", "2026-08-15T11:00:00Z"),
        interval("r-2", "rows", "r-2", "2026-08-15T10:00:00Z", "2026-08-16T10:00:00Z"),
    ])  # fmt: skip
    world.write("quantities/rows.csv", [
        quantity("q-1", "rows", "pages", "5", "2026-08-15T10:00:00Z", "2026-08-15T11:00:00Z"),
        quantity("q-1", "rows", "pages", "8", "2026-08-15T10:00:00Z", "2026-08-15T13:00:00Z"),
    ])  # fmt: skip
    world.write("intervals/prices.csv", [
        interval("p-1", "prices", "p-1", "2026-08-12T10:00:00Z", "2026-08-12T10:00:10Z"),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def forward(new_world: Callable[[], World]) -> tuple[World, dict[str, dict[str, str]]]:
    """The world built at each instant in turn, and the digests that it had then."""
    world = new_world()
    prepare(world)
    digests = {}
    for instant in INSTANTS:
        world.build(instant)
        digests[instant] = world.digests()
        if instant == BEFORE_APPROVAL:
            world.approve("2026-07", APPROVAL)
    return world, digests


@pytest.fixture(scope="module")
def rebuilt(
    forward: tuple[World, dict[str, dict[str, str]]], new_world: Callable[[], World]
) -> dict[str, World]:
    """For each instant a home of its own, built once, with the same landing zone and ledger."""
    worlds = {}
    for instant in INSTANTS:
        world = new_world()
        prepare(world)
        world.home.mkdir()
        shutil.copy(forward[0].home / "ledger.sqlite", world.home / "ledger.sqlite")
        world.build(instant)
        worlds[instant] = world
    return worlds


def lines(world: World, account: str) -> list[tuple[str, str, Decimal | None, int]]:
    """The usage and correction lines of an account: period, class, quantity, cents."""
    return [
        (row["statement_period"], row["charge_class"], row["quantity"], row["amount_minor"])
        for row in world.lines(account)
    ]


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_rebuilt_warehouse_answers_the_same(
    forward: tuple[World, dict[str, dict[str, str]]], rebuilt: dict[str, World], instant: str
) -> None:
    """Another home with the same files, ledger and as-of gives every mart the same."""
    assert rebuilt[instant].digests() == forward[1][instant]


def test_going_back_and_forth_answers_the_same(
    forward: tuple[World, dict[str, dict[str, str]]],
) -> None:
    """An earlier as-of forgets what became known later, and the later one knows it again."""
    world, digests = forward
    for instant in (EARLY, LAST):
        world.build(instant)
        assert world.digests() == digests[instant]


def test_a_capture_is_known_when_it_was_received(rebuilt: dict[str, World]) -> None:
    """An event counts from its `received_at` on, not from the instant at which it happened."""
    # At 10:30 and at 12:03 the kill of 12:00 is not received yet: the run is open.
    for instant, seconds in ((EARLY, 1800), (MIDDLE, 7380)):
        [run] = rebuilt[instant].intervals("h-1")
        assert (run["seconds"], run["evidence"]) == (seconds, "open")
        assert rebuilt[instant].intervals("h-2") == []
    [run] = rebuilt[LAST].intervals("h-1")
    assert (run["seconds"], run["evidence"]) == (7200, "observed")
    assert rebuilt[LAST].seconds("h-2") == 60
    # July's run, the start, the end; then also what came late.
    assert rebuilt[BEFORE_APPROVAL].dispositions("e2b/hooks.ndjson") == {"billed": 1, "pending": 4}
    assert rebuilt[EARLY].dispositions("e2b/hooks.ndjson") == {"billed": 2, "pending": 3}
    assert rebuilt[MIDDLE].dispositions("e2b/hooks.ndjson") == {"billed": 3, "pending": 2}
    assert rebuilt[LAST].dispositions("e2b/hooks.ndjson") == {"billed": 5}


def test_a_row_is_known_from_its_own_latest_time_on(rebuilt: dict[str, World]) -> None:
    """A closed row is known from its end on; until then its open state stands, if one was told."""
    # Open at 10:30, closed by 12:03.
    assert [row["evidence"] for row in rebuilt[EARLY].intervals("oc-1")] == ["open"]
    assert rebuilt[EARLY].seconds("oc-1") == 1800
    assert [row["evidence"] for row in rebuilt[MIDDLE].intervals("oc-1")] == ["observed"]
    assert rebuilt[MIDDLE].seconds("oc-1") == 7200
    # A row that ends tomorrow was never told as open.
    assert rebuilt[MIDDLE].seconds("r-1") == 3600
    assert rebuilt[MIDDLE].intervals("r-2") == []
    assert rebuilt[LAST].seconds("r-2") == 86_400


def test_an_open_row_ends_at_the_as_of(rebuilt: dict[str, World]) -> None:
    """What is still open is counted up to the instant of the build."""
    assert rebuilt[EARLY].intervals("oc-2") == []  # starts at 11:00
    for instant in (MIDDLE, LAST):
        [run] = rebuilt[instant].intervals("oc-2")
        assert (run["ended_at"], run["evidence"]) == (utc(instant), "open")


def test_a_restated_quantity_is_known_from_its_end_on(rebuilt: dict[str, World]) -> None:
    """The first statement of an amount counts until the newer one is known."""
    assert rebuilt[EARLY].usage("rows", "pages") == 0  # its window ends at 11:00
    assert rebuilt[MIDDLE].usage("rows", "pages") == 5
    assert rebuilt[LAST].usage("rows", "pages") == 8
    assert rebuilt[MIDDLE].dispositions("quantities/rows.csv") == {"billed": 1, "pending": 1}
    assert rebuilt[LAST].dispositions("quantities/rows.csv") == {"billed": 1, "superseded": 1}


def test_a_price_is_known_when_it_was_published(rebuilt: dict[str, World]) -> None:
    """A version published after it came into force rates that usage only from then on."""
    # 10 s on the 12th, at 1 until the version of the 10th is published on the 20th; then at 3.
    assert lines(rebuilt[MIDDLE], "prices") == [("2026-08", "usage", 10, 1000)]
    assert lines(rebuilt[LAST], "prices") == [("2026-08", "usage", 10, 3000)]
    versions = (
        "select count(distinct plan_version) from marts.dim_prices where plan_id = 'announced'"
    )
    assert (rebuilt[MIDDLE].value(versions), rebuilt[LAST].value(versions)) == (1, 2)


def test_an_approval_is_known_from_its_time_on(rebuilt: dict[str, World]) -> None:
    """Before it the statement is closed, after it approved and corrected instead of restated."""
    status = (
        "select status from marts.fct_statements where account_id = 'hooks' and period = '2026-07'"
    )
    assert rebuilt[BEFORE_APPROVAL].value(status) == "closed"
    assert rebuilt[AFTER_APPROVAL].value(status) == "approved"
    assert lines(rebuilt[AFTER_APPROVAL], "hooks") == [("2026-07", "usage", 7, 700)]
    # The late 5 s of July became known on 15 August at 11:00.
    corrections = [line for line in lines(rebuilt[MIDDLE], "hooks") if line[1] == "correction"]
    assert corrections == [("2026-08", "correction", 5, 500)]


def test_files_may_arrive_at_any_time(
    new_world: Callable[[], World], forward: tuple[World, dict[str, dict[str, str]]]
) -> None:
    """Files that are landed as time goes by lead to the same marts as all of them at once."""
    world = new_world()
    prepare(world)
    shutil.copytree(world.landing, all_files := world.landing.with_name("all"))
    arriving = {
        BEFORE_APPROVAL: [],
        EARLY: ["intervals/rows.csv", "intervals/prices.csv"],
        LAST: ["opencomputer/scale_events/dumps.ndjson", "quantities/rows.csv"],
    }
    for files in arriving.values():
        for name in files:
            (world.landing / name).unlink()
    for instant, names in arriving.items():
        for name in names:
            shutil.copy(all_files / name, world.landing / name)
        world.build(instant)
        if instant == BEFORE_APPROVAL:
            world.approve("2026-07", APPROVAL)
    assert world.digests() == forward[1][LAST]


def test_an_event_that_is_not_known_yet_opens_no_run(world: World) -> None:
    """Events without execution ids are put into runs by the starts that are known, no others."""
    world.account("nameless")
    events = [
        ("created", "2026-08-03T10:00:00Z", "2026-08-03T10:00:01Z"),
        ("killed", "2026-08-03T11:00:00Z", "2026-08-03T11:00:01Z"),
        # A start that only becomes known on the fifth.
        ("resumed", "2026-08-03T10:30:00Z", "2026-08-05T00:00:00Z"),
    ]
    for number, (kind, at, received_at) in enumerate(events):
        event = e2b(kind, at, "n-1", customer="nameless")
        del event["sandbox_execution_id"]
        world.write(f"e2b/{number}.ndjson", [capture(event, received_at)])
    world.build("2026-08-04T00:00:00Z")
    # 10:00 to 11:00: as if the file with the late start were not there yet.
    [run] = world.intervals("n-1")
    assert (run["seconds"], run["evidence"]) == (3600, "observed")


LIMITED = version(
    START, [charge("seconds", "sandbox_seconds")], limits={"max_concurrent_sandboxes": 1}
)


def over_limit(world: World, account: str) -> list[bool]:
    """Whether each stretch of an account's concurrency is over the limit."""
    rows = world.query(
        "select over_limit from marts.fct_concurrency where account_id = ? order by started_at",
        account,
    )
    return [row["over_limit"] for row in rows]


def two_at_once(world: World, account: str) -> None:
    """Two sandboxes of an account for the same hour."""
    for name in ("a", "b"):
        at = ("2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
        row = interval(f"{account}-{name}", account, f"{account}-{name}", *at)
        world.write(f"intervals/{account}-{name}.csv", [row])


def test_a_subscription_told_later_limits_what_ran_before(world: World) -> None:
    """A limit holds for all the time of the subscription, also when usage is not told anew."""
    world.plans.append(plan("limited", LIMITED))
    world.account("solo", plan_id=None)
    two_at_once(world, "solo")
    world.build("2026-08-04T00:00:00Z")
    assert over_limit(world, "solo") == [False]
    world.subscribe("solo", "limited", START)
    world.build("2026-08-04T01:00:00Z")
    assert over_limit(world, "solo") == [True]


def test_a_limit_published_later_limits_what_ran_before(world: World) -> None:
    """A version that becomes known as the clock moves is in force from its start on."""
    world.plans.append(
        plan(
            "news",
            version(START, [charge("seconds", "sandbox_seconds")]),
            LIMITED
            | {"valid_from": "2026-08-02T00:00:00Z", "published_at": "2026-08-05T00:00:00Z"},
        )
    )
    world.account("news", plan_id="news")
    two_at_once(world, "news")
    world.build("2026-08-04T00:00:00Z")
    assert over_limit(world, "news") == [False]
    world.build("2026-08-05T01:00:00Z")
    assert over_limit(world, "news") == [True]


def test_dbt_itself_gives_the_same_marts(
    rebuilt: dict[str, World],
    forward: tuple[World, dict[str, dict[str, str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The statements of an earlier build, run again with another as-of, are what dbt would say."""
    world = World(tmp_path_factory.mktemp("world"), RecordedDbt().run)
    prepare(world)
    world.home.mkdir()
    shutil.copy(forward[0].home / "ledger.sqlite", world.home / "ledger.sqlite")
    world.build(LAST)
    assert world.digests() == rebuilt[LAST].digests()
