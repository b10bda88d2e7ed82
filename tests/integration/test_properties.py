"""What must hold for any history, whatever its order, batches, repetitions and time.

Hypothesis seeds the histories of `histories.py`. Each example is a whole landing zone, built
several times, so there are few of them, the same in every run, and none is shrunk: a failure shows
the account, day or row that differs instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from histories import (
    MICROSECOND,
    MINUTE,
    MOVED_AT,
    NOBODY,
    RATED_INSTANTS,
    History,
    Told,
    correct_some,
    expected_days,
    expected_months,
    grouped,
    link_shops,
    make_history,
    make_sales,
    prepare,
    prepare_rating,
    prepare_sales,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from world import START, Row, World, charge, meters, plan, utc, version

from dagster_project.lib import pipeline

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


@few(1)
@given(random=seeds)
def test_batches_and_the_moving_clock(new_world: NewWorld, random: Random) -> None:
    """Files in any batches, under any names, while the clock moves: always as if built at once.

    After each batch the incremental build equals a full refresh and the model; at the end it equals
    one build of everything in a fresh home. Building once more changes nothing.
    """
    history = make_history(random, 60)
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

    After every step all marts are those of another home that refreshes everything, and what was
    approved with its corrections is what that home rates. Records are voided and replaced and
    prices of the past published all along. Towards the end a subscription, a credit and shops pass
    to another account, after statements of theirs were approved.
    """
    history = make_history(random, 12)
    sales = {label: make_sales(random, label) for label in ("early", "middle", "late")}
    for label, told in sales.items():
        history.files |= grouped(random, told, label).files
    sold = [told for each in sales.values() for told in each]
    names = random.sample(sorted(history.files), len(history.files))
    world = new_world()
    prepare_rating(world)
    prepare_sales(world, random)
    mirror = shared_landing(new_world, world)
    corrections: list[Row] = []
    # Some steps stop just before, at or just after an instant, others anywhere between two.
    # The last three are about the end of August, so that what corrects July is approved, too.
    instants = [*sorted(random.sample(RATED_INSTANTS[:-3], 4)), *RATED_INSTANTS[-3:]]
    approved: set[str] = set()
    for step, instant in enumerate(instants):
        # August must have ended when its statements are approved, or nothing is corrected twice.
        as_of = instant + random.choice(
            [
                timedelta(0) if step == 5 else -MICROSECOND,
                timedelta(0),
                MICROSECOND,
                random.randrange(1, 300) * MINUTE,
            ]
        )
        if random.random() < 0.6:
            history.write(world, names[step :: len(instants)])
        if step > 1:
            corrections += correct_some(random, sold, as_of)
            world.write("corrections.csv", corrections)
        if step == 4:
            pass_on(world, mirror)
        world.build(as_of)
        refresh_like(mirror, world, as_of)
        assert_same(world, mirror)
        assert_corrected(world, charged(mirror, "intermediate.int_lines_rated", as_of))
        assert_added_up(world, as_of)
        if step in (1, 3, 5):
            ahead = random.choice([timedelta(0), timedelta(hours=random.randrange(1, 200))])
            when = as_of + (ahead if step < 5 else timedelta(0))
            approved |= approve_some(world, random, when, approved)
    corrected = world.query(
        """
        select count(*) as corrections from marts.fct_charges
        where charge_class = 'correction' group by corrects_charge_id
        """
    )
    assert len(corrected) > 200
    assert sum(row["corrections"] > 1 for row in corrected) > 3
    # A home that knows of no approval rates the same, and draws the same credits. Where it would
    # bill a period in other parts the lines differ, and are rounded otherwise, but not their sums.
    alone = shared_landing(new_world, world)
    alone.build(as_of)
    cut = cut_subscriptions(world, as_of) | cut_subscriptions(alone, as_of)
    assert len(cut) > 10
    assert_corrected(world, charged(alone, "marts.fct_charges", as_of, without=cut), without=cut)
    assert in_sum(world, as_of) == in_sum(alone, as_of)
    drawn = """
        select credit_id, sum(applied_minor)::bigint as drawn from marts.fct_credit_burndown
        where account_id not in (
            select account_id from marts.fct_statements
            where list_contains(?, subscription_id)
        )
        group by credit_id having sum(applied_minor) <> 0 order by credit_id
    """
    assert world.query(drawn, sorted(cut)) == alone.query(drawn, sorted(cut))
    assert len(world.query(drawn, sorted(cut))) > 20


Charged = dict[str, tuple[Decimal, Decimal, int]]


def cut_subscriptions(world: World, as_of: datetime) -> set[str]:
    """The subscriptions of which a period is billed in parts."""
    with pipeline.warehouse(world.settings(as_of), read_only=True) as con:
        rows = con.execute(
            "select subscription_id from intermediate.int_statement_parts"
        ).fetchall()
    return {row[0] for row in rows}


def in_sum(world: World, as_of: datetime) -> dict[tuple[Any, ...], tuple[Decimal, Decimal]]:
    """Quantity and amount by subscription, billing period, version and charge, corrections too.

    All parts of a period together, discounts with what they are of; amounts to 12 places, because
    a discount has 18 in each part. Left out is what looks at rounded lines: the plan's limits.
    """
    with pipeline.warehouse(world.settings(as_of), read_only=True) as con:
        rows = con.execute(
            """
            select lines.subscription_id, plan_version, charge_key, meter_id,
                   coalesce(parts.billing_period_start, lines.period_start) as billed_from,
                   coalesce(sum(quantity), 0), round(sum(amount), 12)
            from marts.fct_charges as lines
            left join intermediate.int_statement_parts as parts
                using (subscription_id, period_start, period_end)
            where charge_key not in ('minimum_amount', 'maximum_amount', 'included_amount')
            group by all
            """
        ).fetchall()
    return {row[:5]: row[5:] for row in rows if any(row[5:])}


def charged(world: World, table: str, as_of: datetime, *, without: Collection[str] = ()) -> Charged:
    """Quantity, exact amount and minor units of each line, corrections added to what they correct.

    Read from the warehouse; lines of which nothing is left are not there, nor those of the
    subscriptions `without`.
    """
    line = "charge_id" if table.startswith("int") else "coalesce(corrects_charge_id, charge_id)"
    with pipeline.warehouse(world.settings(as_of), read_only=True) as con:
        rows = con.execute(
            f"""
            select {line}, coalesce(sum(quantity), 0), sum(amount), sum(amount_minor)::bigint
            from {table} where not list_contains(?, subscription_id) group by 1
            """,
            [sorted(without)],
        ).fetchall()
    return {row[0]: row[1:] for row in rows if any(row[1:])}


def assert_corrected(world: World, rated: Charged, *, without: Collection[str] = ()) -> None:
    """Every approved line with all its corrections, and every other line, is as it is rated."""
    rows = world.query(
        """
        select coalesce(corrects_charge_id, charge_id) as charge_id, sum(amount) as amount,
               coalesce(sum(quantity), 0) as quantity, sum(amount_minor)::bigint as amount_minor
        from marts.fct_charges where not list_contains(?, subscription_id) group by 1
        """,
        sorted(without),
    )
    found = {
        row["charge_id"]: (row["quantity"], row["amount"], row["amount_minor"])
        for row in rows
        if row["quantity"] or row["amount"] or row["amount_minor"]
    }
    assert found == rated, differences(found, rated)


def assert_added_up(world: World, as_of: datetime) -> None:
    """Lines sum to their statement, and what is metered to the reconciliation of its period."""
    differing = world.query(
        """
        select statement_id, subtotal_minor, total_minor
        from marts.fct_statements as statements
        left join marts.fct_charges as charges using (statement_id)
        group by all
        having subtotal_minor <> coalesce(sum(charges.amount_minor), 0)
            or total_minor <> subtotal_minor - any_value(credits_minor)
            or bool_or(charges.account_id <> statements.account_id)
            or bool_or(charges.currency <> statements.currency)
        """
    )
    assert differing == []
    # What bob approved stays his, and is reconciled with his subscription, the heir's by now. The
    # parts of a period are reconciled together.
    with pipeline.warehouse(world.settings(as_of), read_only=True) as con:
        differing = con.execute(
            """
            with amounts as (
                select lines.account_id, meter_id,
                       coalesce(parts.billing_period_start, lines.period_start) as period_start,
                       coalesce(parts.billing_period_end, lines.period_end) as period_end,
                       amount_minor, 0 as reconciled_minor
                from marts.fct_charges as lines
                left join intermediate.int_statement_parts as parts
                    on lines.subscription_id = parts.subscription_id
                    and lines.period_start = parts.period_start
                    and lines.period_end = parts.period_end
                where meter_id is not null
                union all
                select account_id, meter_id, period_start, period_end, 0, warehouse_amount_minor
                from marts.fct_reconciliation
            )
            select if(account_id = 'heir', 'bob', account_id) as account_id, meter_id, period_start,
                   period_end, sum(amount_minor) as billed, sum(reconciled_minor) as reconciled
            from amounts group by all having billed <> reconciled
            """
        ).fetchall()
    assert differing == []
    assert world.value("select sum(total_minor + credits_minor) from marts.fct_statements") == (
        world.value("select sum(warehouse_amount_minor) from marts.fct_reconciliation")
        + world.value("select sum(amount_minor) from marts.fct_charges where meter_id is null")
    )


def pass_on(world: World, mirror: World) -> None:
    """Give bob's first subscription to an heir and ann's greater credit to bob; move shops."""
    for each in (world, mirror):
        link_shops(each, MOVED_AT - timedelta(days=3))
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


def approve_some(world: World, random: Random, when: datetime, approved: set[str]) -> set[str]:
    """Approve some of the closed statements, with the clock at an instant; their ids."""
    closed = world.query(
        """
        select statement_id, account_id, period from marts.fct_statements
        where status = 'closed' and not list_contains(?, statement_id) order by all
        """,
        sorted(approved),
    )
    chosen = [row for row in closed if random.random() < 0.5]
    for period in sorted({row["period"] for row in chosen}):
        accounts = sorted({row["account_id"] for row in chosen if row["period"] == period})
        world.approve(period, when, accounts)
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


@few(1)
@given(random=seeds)
def test_repetition_and_grouping(new_world: NewWorld, random: Random) -> None:
    """Records told again only count as repetitions; how they are grouped is no matter."""
    history = make_history(random, 60)
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
