"""Daytona's usage periods and polls, each expected figure worked out by hand.

All cases live in one landing zone, each with sandboxes and an account of its own, and are built
once, as of 2026-09-02. `@written` marks what a case puts there; the test below it says what
follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from world import Cases, Row, World, period, poll, utc

pytestmark = pytest.mark.integration

AS_OF = "2026-09-02T00:00:00Z"
CPU, RAM, DISK = (
    "sandbox_cpu_core_seconds",
    "sandbox_ram_gibi_seconds",
    "sandbox_ssd_gibi_seconds",
)

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    CASES.tell(world)
    world.build(AS_OF)
    return world


def days(world: World, account: str, meter_id: str) -> dict[str, Decimal]:
    """The quantities of an account by day."""
    rows = world.query(
        """
        select strftime(usage_date, '%m-%d') as day, sum(quantity) as quantity
        from marts.fct_usage_daily where account_id = ? and meter_id = ? group by 1 order by 1
        """,
        account,
        meter_id,
    )
    return {row["day"]: row["quantity"] for row in rows}


def window_issues(world: World, account: str) -> list[tuple[str, str]]:
    """What a person should know about the windows of an account: the issue, and its window."""
    rows = world.query(
        "select issue, execution_id from marts.fct_usage_issues"
        " where account_id = ? and sandbox_id = '' order by execution_id, issue",
        account,
    )
    return [(row["issue"], row["execution_id"].replace("T00:00:00.000000Z", "")) for row in rows]


# --- Periods --------------------------------------------------------------------------------


@written
def _stopped(world: World) -> None:
    world.account("stopped")
    world.write(
        "daytona/usage_periods/stopped.csv",
        [
            period("stopped", "d-stop", "2026-08-04T09:00:00.120Z", "2026-08-04T10:00:00.120Z"),
            period(
                "stopped",
                "d-stop",
                "2026-08-04T10:00:00.120Z",
                "2026-08-04T18:30:00Z",
                cpu=0,
                mem=0,
            ),
        ],
    )


def test_paused_gap_disk(built: World) -> None:
    """Two vCPU, 4 GiB and 8 GiB of disk for an hour, then only the disk for 30599.88 s."""
    assert built.usage("stopped", CPU) == 7200  # 2 x 3600
    assert built.usage("stopped", RAM) == 14_400  # 4 x 3600
    # 8 x 3600 + 8 x 30599.88
    assert built.usage("stopped", DISK) == Decimal("273599.04")
    # Only while it runs is it a running sandbox, in seconds and in the count.
    assert built.usage("stopped") == 3600
    stretches = built.query(
        "select started_at, ended_at, running_sandboxes from marts.fct_concurrency"
        " where account_id = 'stopped'"
    )
    assert [tuple(row.values()) for row in stretches] == [
        (utc("2026-08-04T09:00:00.12"), utc("2026-08-04T10:00:00.12"), 1)
    ]
    assert built.dispositions("daytona/usage_periods/stopped.csv") == {"billed": 2}


@written
def _abutting(world: World) -> None:
    for name in ("chained", "unbroken"):
        world.account(name)
    edges = [f"2026-08-{day:02}T09:00:00.120Z" for day in (3, 4, 5)] + ["2026-08-05T18:30:00.001Z"]
    world.write(
        "daytona/usage_periods/abutting.csv",
        [
            *(period("chained", "d-chain", *piece) for piece in pairwise(edges)),
            period("unbroken", "d-whole", edges[0], edges[-1]),
        ],
    )


def test_abutting(built: World) -> None:
    """A chain of rows that touch equals the same run in one row: no second is lost or doubled."""
    # Two days, then 9 h 29 min 59.881 s: 172800 + 34199.881.
    assert built.usage("chained") == built.usage("unbroken") == Decimal("206999.881")
    assert built.usage("chained", RAM) == built.usage("unbroken", RAM) == Decimal("827999.524")
    assert days(built, "chained", CPU) == days(built, "unbroken", CPU)
    assert {row["evidence"] for row in built.intervals("d-chain")} == {"observed"}


@written
def _archive_twin(world: World) -> None:
    world.account("twin")
    at = ("2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
    world.write("daytona/usage_periods/live.csv", [period("twin", "d-twin", at[0], None)])
    closed = [period("twin", "d-twin", *at, row_id=f"row-{number}") for number in (2, 3)]
    world.write("daytona/usage_periods/archive.csv", closed)


def test_archive_twin(built: World) -> None:
    """A period in both tables, under ids of its own, is one period: the one that has ended."""
    [run] = built.intervals("d-twin")
    assert (run["seconds"], run["evidence"]) == (3600, "observed")  # 10:00 to 11:00
    assert built.dispositions("daytona/usage_periods/live.csv") == {"superseded": 1}
    assert built.dispositions("daytona/usage_periods/archive.csv") == {"billed": 1, "duplicate": 1}


WARM_POOL = {"organizationId": "00000000-0000-0000-0000-000000000000"}


@written
def _warm_pool(world: World) -> None:
    world.account("claimer")
    world.write(
        "daytona/usage_periods/pool.ndjson",
        [
            period("", "d-warm", "2026-08-03T09:00:00Z", "2026-08-03T10:00:00Z", **WARM_POOL),
            period("claimer", "d-warm", "2026-08-03T10:00:00Z", "2026-08-03T10:30:00Z"),
        ],
    )


def test_warm_pool(built: World) -> None:
    """Time in the pool is not billable, and seen; who claims the sandbox pays from then on."""
    assert [row["seconds"] for row in built.intervals("d-warm")] == [1800]
    assert built.usage("claimer") == 1800  # 10:00 to 10:30
    expected = {"billed": 1, "not_billable": 1}
    assert built.dispositions("daytona/usage_periods/pool.ndjson") == expected


@written
def _open_twice(world: World) -> None:
    world.account("lapping")
    world.write(
        "daytona/usage_periods/lapping.ndjson",
        [
            period("lapping", "d-lap", "2026-09-01T10:00:00Z", None, mem=4),
            period("lapping", "d-lap", "2026-09-01T10:30:00Z", None, mem=0.5),
        ],
    )


def test_overlap(built: World) -> None:
    """Two open rows of one sandbox are counted one after the other, the last until the as-of."""
    first, last = built.intervals("d-lap")
    # 10:00 to 10:30 = 1800 s; 10:30 to midnight = 13.5 h = 48600 s.
    assert (first["memory_mib"], first["seconds"], first["evidence"]) == (4096, 1800, "clamped")
    assert (last["memory_mib"], last["seconds"], last["evidence"]) == (512, 48_600, "open")
    assert built.usage("lapping", RAM) == 31_500  # 1800 x 4 + 48600 x 0.5
    assert built.issues("d-lap") == ["overlaps_next_run"]


@written
def _odd_times(world: World) -> None:
    world.account("zoned")
    world.write(
        "daytona/usage_periods/zoned.ndjson",
        [
            # The night in which Berlin skips from 02:00 to 03:00.
            period("zoned", "d-zone", "2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"),
            period("zoned", "d-zone", "2026-08-03T10:00:00", "2026-08-03T11:00:00"),
            period("zoned", "d-skew", "2026-08-03T10:00:00.080Z", "2026-08-03T10:00:00Z"),
            period("zoned", "d-third", "2026-08-03T10:00:00Z", None, mem=0.3),
        ],
    )


def test_odd_times_and_sizes(built: World) -> None:
    """Offsets are converted; what has no zone, or a size of no whole MiB, is quarantined."""
    # 00:30Z to 01:30Z: one hour, although the wall clock shows two.
    assert built.usage("zoned") == 3600
    assert built.issues("d-skew") == ["ends_before_start"]
    file = "daytona/usage_periods/zoned.ndjson"
    assert built.dispositions(file) == {"billed": 1, "not_billable": 1, "quarantined": 2}
    reasons = [row["reason"] for row in built.quarantine() if row["file"] == file]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "started_at has no time zone",
        "memory_mib must be a whole number of MiB, in GiB",
    ]


@written
def _graphics(world: World) -> None:
    world.account("graphics")
    at = ("2026-08-03T10:00:00Z", "2026-08-03T10:00:10Z")
    world.write(
        "daytona/usage_periods/graphics.ndjson",
        [
            period("graphics", "d-gpu", *at, gpu=2, gpu_type="H100", cpu=1.5),
            period("stranger", "d-strange", *at),
        ],
    )


def test_dimensions_and_strangers(built: World) -> None:
    """GPU and region are dimensions; an organisation without a link is nobody's, and kept."""
    [run] = built.intervals("d-gpu")
    assert run["dimensions"] == (
        '{"disk_mib":8192,"gpu":2,"memory_mib":4096,"provider":"daytona","region":"us","vcpu":1.5}'
    )
    assert built.usage("graphics", "sandbox_gpu_core_seconds") == 20  # 10 s x 2
    assert built.usage("unattributed") >= 10
    file = "daytona/usage_periods/graphics.ndjson"
    assert built.dispositions(file) == {"billed": 1, "unattributed": 1}


# --- Polls ----------------------------------------------------------------------------------


@written
def _polled_again(world: World) -> None:
    world.account("repolled")
    window = ("2026-08-04T00:00:00Z", "2026-08-05T00:00:00Z")
    earlier = poll("repolled", *window, "2026-08-05T00:10:00Z", CPU=100, RAMGB=14_400)
    later = poll("repolled", *window, "2026-08-06T00:10:00Z", CPU=120, RAMGB=14_400)
    # The file that is read first is the later answer.
    world.write("daytona/usage_polls/again-1.json", [later])
    world.write("daytona/usage_polls/again-2.ndjson", [earlier, later])


def test_repoll(built: World) -> None:
    """Totals of the same window are never added: 100, then 120, is 120. GB are GiB."""
    assert days(built, "repolled", CPU) == {"08-04": 120}
    assert built.usage("repolled", RAM) == 14_400
    files = [built.dispositions(f"daytona/usage_polls/again-{n}") for n in ("1.json", "2.ndjson")]
    assert {name: sum(file.get(name, 0) for file in files) for name in files[0] | files[1]} == {
        "billed": 1,
        "superseded": 1,
        "duplicate": 1,
    }
    dimensions = (
        "select distinct dimensions from marts.fct_usage_hourly where account_id = 'repolled'"
    )
    assert built.value(dimensions) == '{"provider":"daytona"}'
    # A cent each, and no seconds: a poll tells none.
    charged = {line["meter_id"]: line["amount_minor"] for line in built.lines("repolled")}
    assert (charged[CPU], charged[RAM]) == (120, 14_400)
    assert built.usage("repolled") == 0


@written
def _unit(world: World) -> None:
    world.account("unit")
    window = ("2026-08-04T00:00:00Z", "2026-08-05T00:00:00Z", "2026-08-05T00:10:00Z")
    world.write("daytona/usage_polls/unit.json", [poll("unit", *window, RAMGB=14_400)])


def test_unit(built: World) -> None:
    """14400 GB-seconds are 14400 GiB-seconds.

    With the dbt variable `daytona_gib_per_gb` at 10^9 / 2^30 they are 13411.045: a dbt unit test of
    `stg_daytona__poll_values` works that out.
    """
    assert built.usage("unit", RAM) == 14_400


@written
def _growing(world: World) -> None:
    world.account("growing")
    start = "2026-08-01T00:00:00Z"
    world.write(
        "daytona/usage_polls/growing.json",
        [
            poll(
                "growing",
                start,
                f"2026-08-{day:02}T00:00:00Z",
                f"2026-08-{day:02}T01:00:00Z",
                CPU=cpu,
            )
            for day, cpu in ((2, 100), (3, 250.5), (4, 240), (5, 240))
        ],
    )


def test_a_growing_window_is_the_difference_of_its_answers(built: World) -> None:
    """What an answer adds to the one before it belongs to the time between; a minus is kept."""
    # 100; 250.5 - 100; 240 - 250.5; 240 - 240. Together what the last answer said.
    assert days(built, "growing", CPU) == {
        "08-01": 100,
        "08-02": Decimal("150.5"),
        "08-03": Decimal("-10.5"),
    }
    assert built.usage("growing", CPU) == 240
    assert window_issues(built, "growing") == [("window_corrected", "2026-08-01/2026-08-04")]
    [line] = [each for each in built.lines("growing") if each["meter_id"] == CPU]
    assert (line["quantity"], line["amount_minor"]) == (240, 240)
    # The last answer adds nothing: it bills nothing.
    assert built.dispositions("daytona/usage_polls/growing.json") == {
        "billed": 3,
        "not_billable": 1,
    }


@written
def _ahead(world: World) -> None:
    world.account("ahead")
    month = ("2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z")
    world.write(
        "daytona/usage_polls/ahead.json",
        [
            poll("ahead", *month, "2026-08-10T00:00:00Z", CPU=100),
            poll("ahead", *month, "2026-08-20T00:00:00Z", CPU=150),
            poll("ahead", month[0], "2026-08-25T00:00:00Z", "2026-08-25T06:00:00Z", CPU=200),
        ],
    )


def test_a_window_reaches_no_further_than_its_fetch(built: World) -> None:
    """An answer about the whole month, asked on the 20th, knows of the time up to then only."""
    # The month's answer of the 10th is replaced by that of the 20th; five days later 50 more.
    assert days(built, "ahead", CPU) == {"08-01": 150, "08-20": 50}


@written
def _untold(world: World) -> None:
    world.account("untold")
    window = ("2026-08-04T00:00:00Z", "2026-08-05T00:00:00Z")
    world.write(
        "daytona/usage_polls/untold.json",
        [
            poll("untold", *window, "2026-08-05T00:10:00Z", CPU=100, GPU=5),
            poll("untold", *window, "2026-08-06T00:10:00Z", CPU=90),
        ],
    )


def test_what_an_answer_does_not_tell_is_not_zero(built: World) -> None:
    """The later answer replaces what it tells; GPU seconds that it leaves out stay as told."""
    assert built.usage("untold", CPU) == 90
    assert built.usage("untold", "sandbox_gpu_core_seconds") == 5
    assert built.dispositions("daytona/usage_polls/untold.json") == {"billed": 2}


@written
def _by_sandbox(world: World) -> None:
    world.account("boxes")
    window = ("2026-08-04T00:00:00Z", "2026-08-05T00:00:00Z")
    box = [{"sandboxId": name, "totalCPUSeconds": cpu} for name, cpu in (("a", 100), ("b", 50))]
    world.write(
        "daytona/usage_polls/boxes.ndjson",
        [
            poll("boxes", *window, "2026-08-05T01:00:00Z", box),
            poll("boxes", *window, "2026-08-05T02:00:00Z", CPU=155),
            poll("boxes", *window, "2026-08-05T03:00:00Z", [box[0] | {"totalCPUSeconds": 120}]),
        ],
    )


def test_answers_by_sandbox_replace_each_other_sandbox_by_sandbox(built: World) -> None:
    """Sandboxes and organisation tell the same usage: it counts once, as it was told last."""
    # a: 120, told last; b: 50, told before; the organisation's 155 was asked in between.
    assert built.usage("boxes", CPU) == 170
    expected = {"billed": 2, "superseded": 1}
    assert built.dispositions("daytona/usage_polls/boxes.ndjson") == expected


def on(day: int, hour: int = 0) -> str:
    """An instant of August."""
    return f"2026-08-{day:02}T{hour:02}:00:00Z"


@written
def _overlapping(world: World) -> None:
    for name in ("sliding", "nested"):
        world.account(name)
    world.write(
        "daytona/usage_polls/overlapping.ndjson",
        [
            poll("sliding", on(10), on(15), on(20), CPU=500),
            poll("sliding", on(13), on(18), on(19), CPU=300),
            poll("sliding", on(15), on(16), on(17), CPU=10),
            poll("nested", on(10), on(20), on(20), CPU=1000),
            poll("nested", on(12), on(13), on(25), CPU=130),
            poll("nested", on(20), on(21), on(25), CPU=7),
        ],
    )


def test_windows_that_overlap_are_not_added(built: World) -> None:
    """The one fetched last counts; one inside of another waits; what is left of neither is told."""
    # [10, 15) was fetched after [13, 18), so that one goes, and frees [15, 16) inside of it.
    assert days(built, "sliding", CPU) == {"08-10": 500, "08-15": 10}
    assert window_issues(built, "sliding") == [("window_overlapped", "2026-08-13/2026-08-18")]
    # The day lies inside of the ten days, whose total holds it, although it was fetched later.
    assert days(built, "nested", CPU) == {"08-10": 1000, "08-20": 7}
    assert window_issues(built, "nested") == [("window_overlapped", "2026-08-12/2026-08-13")]
    expected = {"billed": 4, "superseded": 2}
    assert built.dispositions("daytona/usage_polls/overlapping.ndjson") == expected


@written
def _finer(world: World) -> None:
    world.account("finer")
    world.write(
        "daytona/usage_periods/finer.csv",
        [
            period("finer", "d-fine", on(4, 10), on(5, 10), cpu=1),
            period("finer", "d-fine", on(6), on(8), cpu=1),
        ],
    )
    world.write(
        "daytona/usage_polls/finer.ndjson",
        [
            # The organisation's periods reach from the 4th at 10:00 to the 8th.
            poll("finer", on(4), on(5), on(6), CPU=50_000),
            poll("finer", on(5), on(6), on(7), CPU=36_000),
            poll("finer", on(8), on(9), on(10), CPU=11),
        ],
    )


def test_periods_go_before_polls(built: World) -> None:
    """Where an organisation has periods they count, not the totals: the same second counts once."""
    # Periods: 14 h and 10 h, two days; then the poll of the 8th.
    assert days(built, "finer", CPU) == {
        "08-04": 50_400,
        "08-05": 36_000,
        "08-06": 86_400,
        "08-07": 86_400,
        "08-08": 11,
    }
    expected = {"billed": 1, "superseded": 2}
    assert built.dispositions("daytona/usage_polls/finer.ndjson") == expected
    # Up to 10:00 of the 4th the periods say nothing: the first total may hold more than they do.
    assert window_issues(built, "finer") == [("window_partly_covered", "2026-08-04/2026-08-05")]


@written
def _late_posting(world: World) -> None:
    world.account("recent")
    world.write(
        "daytona/usage_polls/recent.ndjson",
        [
            poll("recent", on(30), on(31), on(31, 1), CPU=10),
            poll("recent", on(31), "2026-09-01T00:00:00Z", "2026-09-01T01:00:00Z", CPU=20),
            poll("recent", on(31), "2026-09-01T00:00:00Z", "2026-09-03T00:00:00Z", CPU=25),
        ],
    )


def test_a_window_is_not_final_for_48_hours(built: World) -> None:
    """A window that ended less than 48 hours before the as-of counts, and is marked."""
    # As of 2 September 00:00 the 30th ended exactly 48 hours ago, the 31st 24 hours ago.
    assert days(built, "recent", CPU) == {"08-30": 10, "08-31": 20}
    assert window_issues(built, "recent") == [("window_not_final", "2026-08-31/2026-09-01")]
    expected = {"billed": 2, "pending": 1}
    assert built.dispositions("daytona/usage_polls/recent.ndjson") == expected


@written
def _nothing_to_bill(world: World) -> None:
    world.account("planless", plan_id=None)
    window = (on(4), on(5), on(6))
    world.write(
        "daytona/usage_polls/nothing.ndjson",
        [
            poll("", *window, CPU=5) | {"organization_id": WARM_POOL["organizationId"]},
            poll("planless", *window, CPU=5),
            poll("unknown", *window, CPU=5),
            poll("silent", *window),
            poll("silent", *window[:2], on(7), []),
            poll("silent", *window) | {"to": "2026-08-05T00:00:00"},
        ],
    )


def test_every_answer_has_one_disposition(built: World) -> None:
    """Pool, account without a plan, nothing told: not billable; nobody's; and a bad record."""
    assert built.dispositions("daytona/usage_polls/nothing.ndjson") == {
        "not_billable": 4,
        "unattributed": 1,
        "quarantined": 1,
    }
    assert built.usage("planless", CPU) == 5


# --- Any order, any batches -----------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What one answer tells of the CPU seconds of an organisation; times are days of August."""

    account: str
    start: int
    end: int
    fetched_at: Fraction
    total: int

    def row(self) -> Row:
        """The answer as it lands."""
        days_later = (self.fetched_at - 1) * 86_400
        fetched_at = utc("2026-08-01") + timedelta(seconds=int(days_later))
        return poll(self.account, on(self.start), on(self.end), fetched_at, CPU=self.total)


def make_answers(random: Random, accounts: Sequence[str]) -> list[Answer]:
    """Some answers about windows that repeat, grow, nest and overlap; no two asked at once."""
    answers = []
    for number in range(120):
        start, length = random.randrange(1, 18), random.choice([1, 1, 2, 5, 9])
        fetched_at = random.randrange(start + 1, 30) + Fraction(number + 1, 1000)
        answers.append(
            Answer(random.choice(accounts), start, start + length, fetched_at, random.randrange(99))
        )
    return answers


def modelled(answers: Iterable[Answer], as_of: int) -> dict[tuple[str, str], Decimal]:
    """CPU seconds of each account and day, by the rule in words (DECISIONS D34)."""
    totals: dict[tuple[str, str], Decimal] = {}
    known = [each for each in answers if each.fetched_at <= as_of]
    for account in {each.account for each in known}:
        newest: dict[tuple[int, int], Answer] = {}
        for each in sorted(known, key=lambda answer: answer.fetched_at):
            if each.account == account:
                newest[each.start, each.end] = each
        reaching: dict[tuple[int, Fraction], Answer] = {}
        for each in sorted(newest.values(), key=lambda answer: answer.fetched_at):
            reaching[each.start, min(Fraction(each.end), each.fetched_at)] = each
        steps = []
        for (start, reach), answer in reaching.items():
            before = max((r for s, r in reaching if s == start and r < reach), default=None)
            told_before = reaching[start, before].total if before is not None else 0
            begin = before if before is not None else Fraction(start)
            steps.append((begin, reach, answer.total - told_before, answer.fetched_at))
        windows = {(begin, end) for begin, end, _, _ in steps}

        def is_inside(begin: Fraction, end: Fraction, others: set[Any] = windows) -> bool:
            return any(b <= begin and e >= end and (b, e) != (begin, end) for b, e in others)

        kept: list[tuple[Fraction, Fraction]] = []
        for begin, end, amount, _ in sorted(steps, key=lambda s: (is_inside(s[0], s[1]), -s[3])):
            if any(begin < e and end > b for b, e in kept):
                continue
            kept.append((begin, end))
            key = (account, f"08-{int(begin):02}")
            totals[key] = totals.get(key, Decimal(0)) + amount
    return totals


def polled(world: World) -> dict[tuple[str, str], Decimal]:
    """CPU seconds of each account and day as published."""
    rows = world.query(
        """
        select account_id, strftime(usage_date, '%m-%d') as day, sum(quantity) as quantity
        from marts.fct_usage_daily where meter_id = ? group by all
        """,
        CPU,
    )
    return {(row["account_id"], row["day"]): row["quantity"] for row in rows}


def test_answers_in_any_batches(new_world: Callable[[], World]) -> None:
    """After every batch: what the rule says, and what a full refresh gives; at the end, what one
    build of everything gives, in other files. Periods that arrive late take the polls' place.
    """
    random = Random(1)
    accounts = ("ann", "bob", "cat", "dan")
    answers = make_answers(random, accounts)
    batches: list[list[Answer]] = [[], [], []]
    for answer in answers:
        batches[random.randrange(3)].append(answer)
    world = new_world()
    for account in accounts:
        world.account(account)
    mirror = new_world()
    mirror.landing, mirror.accounts = world.landing, world.accounts
    mirror.links, mirror.subscriptions = world.links, world.subscriptions
    landed: list[Answer] = []
    for number, (batch, day) in enumerate(zip(batches, (12, 24, 31), strict=True)):
        landed += batch
        world.write(f"daytona/usage_polls/{number}.ndjson", [each.row() for each in batch])
        world.build(on(day))
        expected = {key: value for key, value in modelled(landed, day).items() if value}
        found = {key: value for key, value in polled(world).items() if value}
        assert found == expected
        mirror.build(on(day), full_refresh=True)
        assert world.digests() == mirror.digests()

    late = [period("bob", "d-late", on(5), on(9), cpu=1)]
    world.write("daytona/usage_periods/late.csv", late)
    world.build(on(31))
    # Four days of one vCPU; none of bob's answers about them counts any more.
    assert [polled(world)["bob", f"08-{day:02}"] for day in (5, 6, 7, 8)] == [86_400] * 4
    at_once = new_world()
    for account in accounts:
        at_once.account(account)
    at_once.write("daytona/usage_periods/renamed.csv", late)
    random.shuffle(answers)
    for number in range(2):
        rows = [each.row() for each in answers[number::2]]
        at_once.write(f"daytona/usage_polls/other-{number}.json", rows)
    at_once.build(on(31))
    ours, theirs = world.digests(), at_once.digests()
    assert {name for name in ours if ours[name] != theirs[name]} <= {"fct_row_dispositions"}
