"""What a plan allows, and the rows that say when an account ran more than that.

All cases are built once, as of 2026-08-11; every run is of the day before, at full seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from world import START, Cases, Row, World, charge, interval, plan, version

pytestmark = pytest.mark.integration

AS_OF = "2026-08-11T00:00:00Z"
SECONDS = [charge("seconds", "sandbox_seconds")]

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    facts = {"seats": 3, "requests_per_minute": 600}
    world.plans += [
        plan("pair", version(START, SECONDS, limits={"max_concurrent_sandboxes": 2})),
        plan("many", version(START, SECONDS, limits={"max_concurrent_sandboxes": 9} | facts)),
        plan(
            "sized",
            version(START, SECONDS, limits={"allowed_memory_mib": [1024, 2048]}),
            version(
                "2026-08-10T12:00:00Z",
                SECONDS,
                limits={"allowed_memory_mib": [2048, 4096]},
                included_amount="30",
                default_spending_cap="50",
                alerts_percent=[50, 100],
            ),
        ),
    ]
    CASES.tell(world)
    world.build(AS_OF)
    return world


def run(account: str, name: str, start: str, end: str, **more: object) -> Row:
    """A run on 2026-08-10, from one time of the day to another."""
    return interval(
        f"{account}-{name}",
        account,
        f"{account}-{name}",
        f"2026-08-10T{start}Z",
        f"2026-08-10T{end}Z",
        **more,
    )


def violations(world: World, account: str) -> list[tuple[str, str, str, Decimal, Decimal]]:
    """Code, start and end on the day, seconds, sandbox-seconds over the limit; in order."""
    rows = world.query(
        """
        select code, strftime(started_at, '%H:%M:%S') as s, strftime(ended_at, '%H:%M:%S') as e,
            seconds, over_limit_sandbox_seconds
        from marts.fct_limit_violations where account_id = ? order by started_at, sandbox_id
        """,
        account,
    )
    return [tuple(row.values()) for row in rows]


@written
def _concurrency(world: World) -> None:
    world.account("over", plan_id="pair")
    world.write(
        "intervals/over.csv",
        [
            run("over", "a", "10:00:00", "11:00:00"),
            run("over", "b", "10:00:00", "10:40:00"),
            run("over", "c", "10:10:00", "10:30:00.5"),
            run("over", "d", "10:20:00", "10:30:00.5"),
            # A stopped sandbox holds its disk only: it does not run.
            run("over", "e", "10:00:00", "11:00:00", vcpu="0", memory_mib=0),
        ],
    )


def test_seconds_over_the_limit_of_concurrency(built: World) -> None:
    """A stretch over the limit counts each sandbox beyond it, to the microsecond."""
    # Two are allowed. 10:10 to 10:20 three: 600 s, one too many. 10:20 to 10:30:00.5 four:
    # 600.5 s, two too many: 1201.
    code = "plan_limit_concurrency"
    assert violations(built, "over") == [
        (code, "10:10:00", "10:20:00", 600, 600),
        (code, "10:20:00", "10:30:00", Decimal("600.5"), 1201),
    ]
    totals = built.query(
        """
        select sum(epoch_us(ended_at) - epoch_us(started_at))::bigint as us
        from marts.fct_concurrency where account_id = 'over' and over_limit
        """
    )
    assert totals == [{"us": 1_200_500_000}]


@written
def _changed_plan(world: World) -> None:
    world.account("changed", plan_id=None)
    world.subscribe("changed", "many", START, "2026-08-10T15:00:00Z")
    world.subscribe("changed", "pair", "2026-08-10T15:00:00Z")
    world.write(
        "intervals/changed.csv",
        [run("changed", name, "14:00:00", "16:00:00") for name in "abc"],
    )


def test_a_limit_holds_from_the_instant_of_its_plan(built: World) -> None:
    """Where the plan changes while sandboxes run, the time under each plan is judged by it."""
    # Nine are allowed until 15:00, two from then on: one too many for the hour to 16:00.
    assert violations(built, "changed") == [
        ("plan_limit_concurrency", "15:00:00", "16:00:00", 3600, 3600)
    ]


@written
def _sizes(world: World) -> None:
    world.account("sizes", plan_id="sized")
    world.write(
        "intervals/sizes.csv",
        [
            # Across noon, when 1024 is no longer allowed and 4096 is.
            run("sizes", "small", "11:59:30", "12:01:00", memory_mib=1024),
            run("sizes", "large", "11:58:20", "12:05:00", memory_mib=4096),
            run("sizes", "both", "11:00:00", "13:00:00", memory_mib=2048),
            run("sizes", "unknown", "11:00:00", "13:00:00", memory_mib=""),
            run("sizes", "stopped", "11:00:00", "13:00:00", vcpu="0", memory_mib=0),
        ],
    )


def test_sizes_that_the_version_in_force_does_not_allow(built: World) -> None:
    """A size is judged by the plan version in force; an unknown size violates nothing."""
    # large: 11:58:20 to 12:00 = 100 s. small: 12:00 to 12:01 = 60 s.
    assert violations(built, "sizes") == [
        ("plan_limit_size", "11:58:20", "12:00:00", 100, 100),
        ("plan_limit_size", "12:00:00", "12:01:00", 60, 60),
    ]
    rows = built.query(
        """
        select sandbox_id, memory_mib, allowed_memory_mib, plan_version
        from marts.fct_limit_violations where account_id = 'sizes' order by started_at
        """
    )
    assert [tuple(row.values()) for row in rows] == [
        ("sizes-large", 4096, "[1024,2048]", START),
        ("sizes-small", 1024, "[2048,4096]", "2026-08-10T12:00:00Z"),
    ]


def test_the_facts_of_a_plan_are_columns(built: World) -> None:
    """`dim_plans` has what a version costs and allows."""
    rows = built.query(
        """
        select plan_id, included_amount, default_spending_cap, max_concurrent_sandboxes,
            allowed_memory_mib, seats, requests_per_minute, alerts_percent
        from marts.dim_plans where plan_id in ('many', 'sized') order by plan_id, valid_from
        """
    )
    assert [tuple(row.values()) for row in rows] == [
        ("many", None, None, 9, None, 3, 600, None),
        ("sized", None, None, None, "[1024,2048]", None, None, None),
        ("sized", 30, 50, None, "[2048,4096]", None, None, "[50,100]"),
    ]


def test_a_late_record_moves_a_violation(new_world: Callable[[], World]) -> None:
    """A run that is told later makes the violations of its account again, and only those."""
    world = new_world()
    world.plans += [plan("one", version(START, SECONDS, limits={"max_concurrent_sandboxes": 1}))]
    for account in ("late", "same"):
        world.account(account, plan_id="one")
        world.write(
            f"intervals/{account}.csv",
            [run(account, name, "10:00:00", "10:01:00") for name in "ab"],
        )
    world.build(AS_OF)
    assert violations(world, "late") == [("plan_limit_concurrency", "10:00:00", "10:01:00", 60, 60)]
    world.write("intervals/later.csv", [run("late", "c", "10:00:20", "10:01:00")])
    world.build("2026-08-11T00:00:01Z")
    # Two run for 20 s, three for 40 s: 20 + 80 sandbox-seconds over.
    assert violations(world, "late") == [
        ("plan_limit_concurrency", "10:00:00", "10:00:20", 20, 20),
        ("plan_limit_concurrency", "10:00:20", "10:01:00", 40, 80),
    ]
    assert violations(world, "same") == [("plan_limit_concurrency", "10:00:00", "10:01:00", 60, 60)]
