"""Daytona's own totals beside what the warehouse counts, each figure worked out by hand.

All cases live in one landing zone, each with sandboxes and an account of its own, and are built
once, as of 2026-09-02. `@written` marks what a case puts there; the test below it says what
follows.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from world import Cases, World, period, poll

pytestmark = pytest.mark.integration

AS_OF = "2026-09-02T00:00:00Z"
CPU, RAM, DISK = (
    "sandbox_cpu_core_seconds",
    "sandbox_ram_gibi_seconds",
    "sandbox_ssd_gibi_seconds",
)

CASES = Cases()
written = CASES.written


def on(day: int, hour: int = 0) -> str:
    """An instant of August."""
    return f"2026-08-{day:02}T{hour:02}:00:00Z"


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    CASES.tell(world)
    world.build(AS_OF)
    return world


def sides(world: World, account: str, month: int = 8) -> dict[str, tuple[Decimal, Decimal]]:
    """What provider and warehouse say, by meter, of a month; meters without a total left out."""
    rows = world.query(
        """
        select meter_id, provider_quantity, warehouse_quantity from marts.fct_reconciliation
        where account_id = ? and month(period_start) = ? and provider_quantity is not null
        """,
        account,
        month,
    )
    return {row["meter_id"]: (row["provider_quantity"], row["warehouse_quantity"]) for row in rows}


def causes(world: World, account: str) -> list[tuple[int, str, str, Decimal]]:
    """Month, meter, cause and delta of each row on the leg between provider and warehouse."""
    rows = world.query(
        """
        select month(period_start) as month, meter_id, cause, quantity_delta, amount_delta_minor
        from marts.fct_discrepancies
        where account_id = ? and leg = 'provider_warehouse' order by 1, 2, 3
        """,
        account,
    )
    assert {row["amount_delta_minor"] for row in rows} <= {0}  # nobody is charged the difference
    return [(r["month"], r["meter_id"], r["cause"], r["quantity_delta"]) for r in rows]


# --- The same -------------------------------------------------------------------------------


@written
def _agreeing(world: World) -> None:
    world.account("agreeing")
    world.write(
        "daytona/usage_periods/agreeing.csv",
        [
            period("agreeing", "d-1", "2026-08-04T09:00:00.120Z", "2026-08-04T10:00:00.120Z"),
            period("agreeing", "d-1", "2026-08-04T10:00:00.120Z", on(4, 18), cpu=0, mem=0),
        ],
    )
    # 8 GiB x (3600 s + 28799.88 s) = 259199.04
    world.write(
        "daytona/usage_polls/agreeing.json",
        [poll("agreeing", on(4), on(5), on(8), CPU=7200, RAMGB=14_400, DiskGB=259_199.04)],
    )


def test_totals_that_agree(built: World) -> None:
    """GB-seconds are GiB-seconds, seconds are seconds: both sides the same, no cause."""
    disk = Decimal("259199.04")
    assert sides(built, "agreeing") == {
        CPU: (7200, 7200),
        RAM: (14_400, 14_400),
        DISK: (disk, disk),
    }
    assert causes(built, "agreeing") == []


@written
def _only_polled(world: World) -> None:
    world.account("polled")
    world.write(
        "daytona/usage_polls/polled.ndjson",
        [
            poll("polled", on(4), on(5), on(8), CPU=100, GPU=3600.5),
            poll("polled", on(4), on(5), on(9), CPU=120),
            poll("polled", on(5), on(6), on(9), CPU=7),
        ],
    )


def test_totals_that_count_themselves(built: World) -> None:
    """Where only the totals tell, the last of each window is both sides; other meters say null."""
    gpu = Decimal("3600.5")
    # 120 + 7 of cores.
    expected = {CPU: (127, 127), "sandbox_gpu_core_seconds": (gpu, gpu)}
    assert sides(built, "polled") == expected
    assert causes(built, "polled") == []


@written
def _without_total(world: World) -> None:
    world.account("silent")
    world.write("daytona/usage_periods/silent.csv", [period("silent", "d-2", on(4), on(5))])


def test_no_total_is_null(built: World) -> None:
    """An organisation that was never polled has no provider's quantity, not one of zero."""
    assert built.usage("silent", CPU) == 172_800  # 2 x 86400
    assert sides(built, "silent") == {}
    assert causes(built, "silent") == []


# --- Different ------------------------------------------------------------------------------


@written
def _decimal(world: World) -> None:
    world.account("decimal")
    world.write("daytona/usage_periods/decimal.csv", [period("decimal", "d-3", on(4, 1), on(4, 2))])
    # 14400 GiB-s x 2^30 / 10^9 = 15461.8822656 GB-s
    world.write(
        "daytona/usage_polls/decimal.json",
        [poll("decimal", on(4), on(5), on(8), CPU=7200, RAMGB=15_461.8822656)],
    )


def test_decimal_gigabytes(built: World) -> None:
    """A total in gigabytes of 10^9 is 7.37 % more GiB-seconds than there were."""
    assert sides(built, "decimal")[RAM] == (Decimal("15461.8822656"), 14_400)
    # 14400 - 15461.8822656
    assert causes(built, "decimal") == [(8, RAM, "decimal_gigabytes", Decimal("-1061.8822656"))]


@written
def _uncut(world: World) -> None:
    world.account("uncut")
    # 4 August 22:00 to 5 August 01:00: 2 h and 1 h of it in two windows.
    world.write(
        "daytona/usage_periods/uncut.csv",
        [period("uncut", "d-4", on(4, 22), on(5, 1), cpu=1)],
    )
    world.write(
        "daytona/usage_polls/uncut.ndjson",
        [poll("uncut", on(day), on(day + 1), on(9), CPU=10_800) for day in (4, 5)],
    )


def test_periods_that_are_not_cut_at_the_window(built: World) -> None:
    """Both windows tell the whole three hours of a period that touches both."""
    assert sides(built, "uncut") == {CPU: (21_600, 10_800)}
    # 7200 - 10800 and 3600 - 10800
    assert causes(built, "uncut") == [(8, CPU, "periods_not_cut_at_window", -10_800)]


@written
def _open(world: World) -> None:
    world.account("open")
    # Closed: one hour. Open since 31 August 20:00, so until the window's end 4 hours.
    world.write(
        "daytona/usage_periods/open.csv",
        [
            period("open", "d-5", on(31, 1), on(31, 2), cpu=1),
            period("open", "d-6", on(31, 20), None, cpu=1),
        ],
    )
    world.write(
        "daytona/usage_polls/open.json",
        [poll("open", on(31), "2026-09-01T00:00:00Z", "2026-09-01T01:00:00Z", CPU=3600)],
    )


def test_open_periods_that_are_not_told(built: World) -> None:
    """The total has only what has ended."""
    assert sides(built, "open") == {CPU: (3600, 18_000)}
    assert causes(built, "open") == [(8, CPU, "open_periods_not_told", 14_400)]


@written
def _partly(world: World) -> None:
    world.account("partly")
    world.write(
        "daytona/usage_periods/partly.csv",
        [
            period("partly", "d-7", on(4, 12), on(4, 13), cpu=1),
            period("partly", "d-7", on(7, 12), on(7, 13), cpu=1),
        ],
    )
    world.write(
        "daytona/usage_polls/partly.ndjson",
        [
            poll("partly", on(4), on(5), on(8), CPU=5000),
            poll("partly", on(5), on(6), on(8), CPU=40),
            poll("partly", on(6), on(8), on(9), CPU=3500),
            # Tells a part of the two days again: not compared a second time.
            poll("partly", on(7), on(8), on(8, 1), CPU=3600),
        ],
    )


def test_what_no_period_tells(built: World) -> None:
    """More than the periods tell in a window that they do not fill; use on a day without any."""
    assert sides(built, "partly") == {CPU: (8540, 7200)}  # 5000 + 40 + 3500; 2 x 3600
    assert causes(built, "partly") == [
        (8, CPU, "no_periods_in_window", -40),
        (8, CPU, "provider_total_differs", 100),  # 3600 - 3500, fetched days after
        (8, CPU, "window_partly_covered", -1400),  # 3600 - 5000
    ]


@written
def _recent(world: World) -> None:
    world.account("recent")
    world.write(
        "daytona/usage_periods/recent.csv",
        [period("recent", "d-8", "2026-09-01T01:00:00Z", "2026-09-01T02:00:00Z", cpu=1)],
    )
    world.write(
        "daytona/usage_polls/recent.json",
        [
            poll(
                "recent",
                "2026-09-01T00:00:00Z",
                "2026-09-01T12:00:00Z",
                "2026-09-01T12:00:00Z",
                CPU=3000,
            )
        ],
    )


def test_a_window_that_is_not_final(built: World) -> None:
    """Less than counts, half a day after the use: the provider may still add the rest."""
    assert sides(built, "recent", month=9) == {CPU: (3000, 3600)}
    assert causes(built, "recent") == [(9, CPU, "window_not_final", 600)]


@written
def _crossing(world: World) -> None:
    world.account("crossing")
    world.write(
        "daytona/usage_periods/crossing.csv",
        [period("crossing", "d-9", "2026-07-31T22:00:00Z", on(1, 1), cpu=1)],
    )
    world.write(
        "daytona/usage_polls/crossing.json",
        [poll("crossing", "2026-07-31T00:00:00Z", on(2), on(8), CPU=10_810)],
    )


def test_a_window_over_the_end_of_a_month(built: World) -> None:
    """The total stands in July, where its window starts; an hour of what counts is August's."""
    assert sides(built, "crossing", month=7) == {CPU: (10_810, 7200)}
    assert sides(built, "crossing") == {}
    assert causes(built, "crossing") == [
        # July: 10810 - 10 - 3600 = 7200. August: nothing told, 3600 counted.
        (7, CPU, "window_crosses_period", -3600),
        (7, CPU, "window_partly_covered", -10),
        (8, CPU, "window_crosses_period", 3600),
    ]


def test_the_evidence_names_the_windows(built: World) -> None:
    """What to ask the provider about: organisation, window and both sides."""
    evidence = built.query(
        """
        select
            evidence->>'$.told_quantity' as told, evidence->>'$.counted_quantity' as counted,
            evidence->>'$.source_accounts[0]' as organisation, evidence->>'$.windows[0]' as "window"
        from marts.fct_discrepancies where account_id = 'decimal'
        """
    )
    assert evidence == [
        {
            "told": "15461.8822656",
            "counted": "14400",
            "organisation": "org-decimal",
            "window": "2026-08-04T00:00:00.000000Z/2026-08-05T00:00:00.000000Z",
        }
    ]


# --- From build to build --------------------------------------------------------------------


def test_a_total_that_arrives_later(new_world: Callable[[], World]) -> None:
    """An answer that changes no usage changes the provider's side, as a full refresh would."""
    world = new_world()
    for name in ("ann", "bob"):
        world.account(name)
    runs = [period(name, f"d-{name}", on(4, 1), on(4, 2), cpu=1) for name in ("ann", "bob")]
    world.write("daytona/usage_periods/1.csv", runs)
    world.build(AS_OF)
    assert sides(world, "ann") == {}
    for number, (fetched_at, told) in enumerate(((on(8), 3600), (on(9), 3590)), 1):
        answer = poll("ann", on(4), on(5), fetched_at, CPU=told)
        world.write(f"daytona/usage_polls/{number}.json", [answer])
        assert world.build(AS_OF).plan.rebuild_usage is False
        assert sides(world, "ann") == {CPU: (told, 3600)}
    assert causes(world, "ann") == [(8, CPU, "provider_total_differs", 10)]
    before = world.digests()
    world.build(AS_OF, full_refresh=True)
    assert world.digests() == before
