"""What must hold for any history, whatever its order, batches, repetitions and time.

Hypothesis seeds the histories of `histories.py`. Each example is a whole landing zone, built
several times, so there are few of them, the same in every run, and none is shrunk: a failure shows
the account, day or row that differs instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from histories import (
    MICROSECOND,
    MINUTE,
    NOBODY,
    RATED_INSTANTS,
    History,
    Told,
    expected_days,
    expected_months,
    grouped,
    make_history,
    prepare,
    prepare_rating,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from world import START, World, charge, meters, plan, utc, version

pytestmark = pytest.mark.integration

NewWorld = Callable[[], World]

# Past the first day's noon, past the month's end in every zone, and past everything told.
STEPS = (
    utc("2026-07-30T17:00:00.000001"),
    utc("2026-08-01T09:20:00"),
    utc("2026-08-05T00:00:00"),
)


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


seeds = st.randoms(use_true_random=True)


def shared_landing(new_world: NewWorld, world: World) -> World:
    """Another home over the same landing zone."""
    other = new_world()
    other.landing = world.landing
    for name in ("accounts", "links", "subscriptions", "credits", "meters", "plans"):
        setattr(other, name, getattr(world, name))
    return other


def assert_as_modelled(world: World, told: list[Told], as_of: datetime) -> None:
    """The marts hold what the plain model says, by account, meter and day, and by month."""
    expected = expected_days(told, as_of)
    rows = world.query(
        """
        select account_id, meter_id, strftime(usage_date, '%Y-%m-%d') as day,
               sum(quantity) as quantity, sum(inferred_quantity) as inferred
        from marts.fct_usage_daily group by all
        """
    )
    found = {
        (row["account_id"], row["meter_id"], row["day"]): (row["quantity"], row["inferred"])
        for row in rows
    }
    assert found == expected, differences(found, expected)
    months = expected_months(told, as_of)
    lines = world.query(
        """
        select charges.account_id, statements.period, sum(quantity) as quantity,
               sum(amount_minor)::bigint as amount_minor
        from marts.fct_charges as charges
        inner join marts.fct_statements as statements using (statement_id)
        where meter_id = 'sandbox_seconds' and charge_class = 'usage' group by all
        """
    )
    charged = {
        (row["account_id"], row["period"]): (row["quantity"], row["amount_minor"]) for row in lines
    }
    # A cent a second: the microseconds are millionths of a cent, rounded half up.
    assert charged == {
        key: (Decimal(us).scaleb(-6), (2 * us + 1_000_000) // 2_000_000)
        for key, us in months.items()
    }


def assert_refresh_changes_nothing(world: World, as_of: datetime) -> None:
    """A full refresh in the same home gives the marts that the build before it gave."""
    names = [*world.digests()]
    before = {
        name: {str(row) for row in world.query(f"select * from marts.{name}")} for name in names
    }
    digests = world.digests()
    world.build(as_of, full_refresh=True)
    differing = [name for name, digest in world.digests().items() if digests[name] != digest]
    shown = []
    for name in differing:
        now = {str(row) for row in world.query(f"select * from marts.{name}")}
        shown.append(
            f"{name}: gone {sorted(before[name] - now)[:3]}, new {sorted(now - before[name])[:3]}"
        )
    assert differing == [], "\n".join(shown)


def differences(found: dict[Any, Any], expected: dict[Any, Any]) -> str:
    """The keys whose values differ, with both."""
    keys = sorted(key for key in {*found, *expected} if found.get(key) != expected.get(key))
    return "\n".join(f"{key}: {found.get(key)} instead of {expected.get(key)}" for key in keys[:20])


def assert_conserved(world: World) -> None:
    """Rows in = rows out for each file; days, hours and intervals hold the same seconds."""
    unaccounted = world.query(
        """
        select loads.file, loads.records, sum(dispositions.rows)::bigint as accounted
        from ops.loads as loads
        left join marts.fct_row_dispositions as dispositions using (source, content_sha256)
        group by all having loads.records <> coalesce(accounted, 0)
        """
    )
    assert unaccounted == []
    seconds = "select coalesce(sum(quantity), 0) from marts.{} where meter_id = 'sandbox_seconds'"
    total = world.value(
        "select coalesce(sum(seconds), 0) from marts.fct_compute_intervals"
        " where coalesce(vcpu, 1) > 0 or coalesce(memory_mib, 1) > 0"
    )
    assert world.value(seconds.format("fct_usage_hourly")) == total
    assert world.value(seconds.format("fct_usage_daily")) == total


def assert_same(left: World, right: World, *, except_for: Iterable[str] = ()) -> None:
    """Every mart of two homes is the same, but for some."""
    ours, theirs = left.digests(), right.digests()
    assert set(ours) == set(theirs)
    differing = [name for name in ours if ours[name] != theirs[name] and name not in except_for]
    shown = []
    for name in differing:
        query = f"select * from marts.{name}"
        one, other = ({str(row) for row in world.query(query)} for world in (left, right))
        shown.append(
            f"{name}: only left {sorted(one - other)[:3]}, only right {sorted(other - one)[:3]}"
        )
    assert differing == [], "\n".join(shown)


def counts(world: World) -> dict[tuple[str, str], int]:
    """Rows by source and disposition, whatever the files."""
    rows = world.query(
        """
        select source, disposition, sum(rows)::bigint as rows
        from marts.fct_row_dispositions group by all
        """
    )
    return {(row["source"], row["disposition"]): row["rows"] for row in rows}


@few(5)
@given(random=seeds)
def test_usage_is_what_the_rules_say(new_world: NewWorld, random: Random) -> None:
    """Any history comes to what a plain model of the rules makes of it, at any instant."""
    world = new_world()
    prepare(world)
    history = make_history(random, 40)
    history.write(world, history.files)
    as_of = STEPS[0] + random.randrange(6 * 24 * 60) * MINUTE + timedelta(microseconds=1)
    world.build(as_of)
    assert_as_modelled(world, history.told(history.files), as_of)
    assert_conserved(world)


@few(2)
@given(random=seeds)
def test_batches_and_the_moving_clock(new_world: NewWorld, random: Random) -> None:
    """Files in any batches, under any names, while the clock moves: always as if built at once.

    After each batch the incremental build equals a full refresh and the model; at the end it equals
    one build of everything in a fresh home. Building once more changes nothing.
    """
    history = make_history(random, 30)
    names = random.sample(sorted(history.files), len(history.files))
    batches: list[list[str]] = [[], [], []]
    for name in names:
        batches[random.randrange(3)].append(name)

    world = new_world()
    prepare(world)
    mirror = shared_landing(new_world, world)
    landed: list[str] = []
    for batch, as_of in zip(batches, STEPS, strict=True):
        landed += batch
        history.write(world, batch)
        world.build(as_of)
        assert_as_modelled(world, history.told(landed), as_of)
        assert_conserved(world)
        mirror.build(as_of, full_refresh=True)
        assert_same(world, mirror)

    at_once = new_world()
    prepare(at_once)
    history.write(at_once, reversed(names), prefix="renamed-")
    at_once.build(STEPS[-1])
    assert_same(world, at_once)

    before = world.digests()
    built = world.build(STEPS[-1])
    assert built.plan.nothing_new
    assert world.digests() == before


@few(1)
@given(random=seeds)
def test_rating_adds_what_files_clock_and_ledger_change(
    new_world: NewWorld, random: Random
) -> None:
    """Late files, odd steps of the clock and approvals, also ahead of it: always as if built anew.

    After every step all marts are those of another home that refreshes everything. Towards the end
    a subscription and a credit pass to another account, after statements of theirs were approved.
    """
    history = make_history(random, 20)
    names = random.sample(sorted(history.files), len(history.files))
    world = new_world()
    prepare_rating(world)
    mirror = shared_landing(new_world, world)
    # Some steps stop just before, at or just after an instant, others anywhere between two.
    instants = sorted(random.sample(RATED_INSTANTS, 7))
    approved: set[str] = set()
    for step, instant in enumerate(instants):
        as_of = instant + random.choice(
            [-MICROSECOND, timedelta(0), MICROSECOND, random.randrange(1, 300) * MINUTE]
        )
        if random.random() < 0.6:
            history.write(world, names[step :: len(instants)])
        if step == 4:
            pass_on(world, mirror)
        world.build(as_of)
        refresh_like(mirror, world, as_of)
        assert_same(world, mirror)
        if step in (1, 3):
            approved |= approve_some(world, random, as_of, approved)


def pass_on(world: World, mirror: World) -> None:
    """Give bob's first subscription to an heir and ann's greater credit to bob."""
    for each in (world, mirror):
        each.subscriptions = [
            row | {"account_id": "heir"} if row["subscription_id"] == "sub-bob-1" else row
            for row in each.subscriptions
        ]
        each.credits = [
            row | {"account_id": "bob"} if row["credit_id"] == "credit-1" else row
            for row in each.credits
        ]


def refresh_like(mirror: World, world: World, as_of: datetime) -> None:
    """Build everything anew in the mirror, with the ledger of the world."""
    mirror.home.mkdir(exist_ok=True)
    ledger = world.home / "ledger.sqlite"
    if ledger.exists():
        shutil.copy(ledger, mirror.home / ledger.name)
    mirror.build(as_of, full_refresh=True)


def approve_some(world: World, random: Random, as_of: datetime, approved: set[str]) -> set[str]:
    """Approve some of the closed statements, at once or with a clock that is ahead; their ids."""
    closed = world.query(
        """
        select statement_id, account_id, period from marts.fct_statements
        where status = 'closed' and not list_contains(?, statement_id) order by all
        """,
        sorted(approved),
    )
    chosen = [row for row in closed if random.random() < 0.5]
    ahead = random.choice([timedelta(0), timedelta(hours=random.randrange(1, 200))])
    for row in chosen:
        world.approve(row["period"], as_of + ahead, [row["account_id"]])
    return {row["statement_id"] for row in chosen}


@few(1)
@given(random=seeds)
def test_a_changing_price_book(new_world: NewWorld, random: Random) -> None:
    """Meters, prices, links and subscriptions that change between builds: as if built at once.

    First two meters and no limit; then all meters, a new version, and a limit on concurrency; then
    a link for the customer that nobody knew, and a subscription that had been forgotten.
    """
    history = make_history(random, 25)
    files = sorted(history.files)
    world = new_world()
    prepare(world)
    forgotten = [each for each in world.subscriptions if each["account_id"] == "bob"]
    world.subscriptions = [each for each in world.subscriptions if each not in forgotten]
    all_meters = meters()
    world.meters = all_meters[:2]
    world.plans = [plan("payg", version(START, [charge("seconds", "sandbox_seconds")]))]
    history.write(world, files[::2])
    world.build(STEPS[0])

    world.meters = all_meters
    world.plans = [
        plan(
            "payg",
            version(
                START,
                [charge("seconds", "sandbox_seconds")],
                limits={"max_concurrent_sandboxes": 2},
            ),
            version(
                "2026-07-31T13:37:11Z",
                [charge(each["meter_id"], each["meter_id"], "0.02") for each in all_meters],
                limits={"max_concurrent_sandboxes": 1},
            ),
        )
    ]
    world.build(STEPS[1])
    assert_refresh_changes_nothing(world, STEPS[1])

    world.link("e2b", "metadata:customer", "stranger", "eve", "2026-07-30T12:00:00Z")
    world.build(STEPS[1])
    world.subscriptions = world.subscriptions + forgotten
    history.write(world, files[1::2])
    world.build(STEPS[2])
    assert_refresh_changes_nothing(world, STEPS[2])
    assert_conserved(world)
    # A home that never saw the earlier reference files has none of their rows to account for.
    elsewhere = shared_landing(new_world, world)
    elsewhere.build(STEPS[2])
    assert_same(world, elsewhere, except_for=["fct_row_dispositions"])


@few(2)
@given(random=seeds)
def test_repetition_and_grouping(new_world: NewWorld, random: Random) -> None:
    """Records told again only count as repetitions; how they are grouped is no matter."""
    history = make_history(random, 30)
    told = history.told(history.files)
    world = new_world()
    prepare(world)
    history.write(world, history.files)
    world.build(STEPS[-1])
    before = counts(world)

    elsewhere = new_world()
    prepare(elsewhere)
    regrouped = grouped(random, told, label="other")
    regrouped.write(elsewhere, regrouped.files)
    elsewhere.build(STEPS[-1])
    assert_same(world, elsewhere, except_for=["fct_row_dispositions"])
    assert counts(elsewhere) == before

    # More than half of each larger file: the same file again would not even be loaded.
    again = History(
        {
            name: random.sample(records, len(records) // 2 + 1)
            for name, records in history.files.items()
            if len(records) > 2
        }
    )
    again.write(world, again.files, prefix="again-")
    world.build(STEPS[-1])
    assert_same(world, elsewhere, except_for=["fct_row_dispositions"])
    assert_conserved(world)
    after = counts(world)
    for source in ("e2b", "opencomputer/scale_events", "daytona/usage_periods", "intervals"):
        repeated = sum(
            len(records) for name, records in again.files.items() if name.startswith(source)
        )
        aside = [(source, "duplicate"), (source, "superseded"), (source, "not_billable")]
        # An older state told again is superseded again, an update told again a repetition.
        assert sum(after.get(key, 0) - before.get(key, 0) for key in aside) == repeated
        for counted in ("billed", "unattributed"):
            assert after.get((source, counted)) == before.get((source, counted))


def test_the_histories_are_not_trivial() -> None:
    """The histories have what they are meant to have: unknown, owned and split usage, open runs."""
    history = make_history(Random(2), 40)
    told = history.told(history.files)
    days = expected_days(told, STEPS[1])
    assert {account for account, _, _ in days} == {"ann", "bob", "eve", NOBODY}
    assert {meter for _, meter, _ in days} == {each["meter_id"] for each in meters()}
    assert sum(1 for _, inferred in days.values() if inferred) > 10
    assert any(each.facts.get("size", ())[:2] == (0, 0) for each in told)
    assert len(told) > len({str(each.row) for each in told})
