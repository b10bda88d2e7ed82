"""Corrections applied to usage, each expected figure worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from world import (
    START,
    Row,
    World,
    charge,
    e2b,
    interval,
    meters,
    period,
    plan,
    quantity,
    scale_event,
    version,
)

pytestmark = pytest.mark.integration

AS_OF = "2026-08-20T00:00:00Z"
LATER = "2026-08-21T00:00:00Z"


def correction(record_id: str, action: str = "void", amount: str = "", **more: Any) -> Row:
    """A line of corrections.csv, asked for on 19 August unless `more` says otherwise."""
    return {
        "correction_id": f"c-{record_id}",
        "record_id": record_id,
        "action": action,
        "quantity": amount,
        "reason": "wrong",
        "requested_by": "Ada",
        "requested_at": "2026-08-19T00:00:00Z",
    } | more


def tell(world: World) -> None:
    """One account with records of every source that can be corrected."""
    world.account("acme")
    world.meters = meters("calls")
    world.write(
        "e2b/runs.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb", customer="acme", event_id="e-start"),
            e2b("killed", "2026-08-03T10:10:00Z", "sb", customer="acme", event_id="e-end",
                ran_ms=600_000),
            e2b("created", "2026-08-04T10:00:00Z", "sb-gone", customer="acme", event_id="g-start"),
            e2b("killed", "2026-08-04T10:10:00Z", "sb-gone", customer="acme", event_id="g-end",
                ran_ms=600_000),
        ],
    )  # fmt: skip
    # The end of `sb` a second time, as a retry delivers it.
    world.write(
        "e2b/again.ndjson",
        [e2b("killed", "2026-08-03T10:10:00Z", "sb", customer="acme", event_id="e-end",
             ran_ms=600_000)],
    )  # fmt: skip
    at = ("2026-08-05T10:00:00Z", "2026-08-05T11:00:00Z")
    dumps = "opencomputer/scale_events"
    world.write(f"{dumps}/1.ndjson", [scale_event("scale", "acme", "oc", at[0], None)])
    world.write(f"{dumps}/2.ndjson", [scale_event("scale", "acme", "oc", *at)])
    world.write("daytona/usage_periods/1.csv", [period("acme", "day", *at)])
    world.write(
        "intervals/1.csv",
        [
            interval("keep", "acme", "box", *at),
            # Without it `keep` ends when it says; with it an hour earlier (D16).
            interval("wrong", "acme", "box", "2026-08-05T10:30:00Z", "2026-08-05T12:00:00Z"),
        ],
    )
    hour = ("2026-08-06T10:00:00Z", "2026-08-06T11:00:00Z")
    world.write(
        "quantities/1.csv",
        [
            quantity("q-void", "acme", "calls", "5", *hour),
            quantity("q-new", "acme", "calls", "7", *hour),
        ],
    )
    # An older state of `q-void`: it must not take the place of the voided one.
    world.write("quantities/0.csv", [quantity("q-void", "acme", "calls", "4", hour[0], hour[0])])


CORRECTIONS = [
    correction("e-end"),
    correction("g-start"),
    correction("g-end"),
    correction("scale"),
    correction("day/2026-08-05T10:00:00.000000Z"),
    correction("wrong"),
    correction("q-void"),
    correction("q-new", "replace", "2.5"),
]


def test_a_voided_record_was_never_told(world: World) -> None:
    tell(world)
    world.build(AS_OF)
    assert [world.seconds(each) for each in ("sb", "oc", "day")] == [600, 3600, 3600]
    assert world.usage("acme", "calls") == 12  # 5 + 7

    # The file comes after the usage was built: only what it names is made again.
    world.write("corrections.csv", CORRECTIONS)
    built = world.build(AS_OF)
    assert not built.plan.rebuild_usage
    # The run without its end lasts to the longest session, 24 hours (D15).
    assert world.seconds("sb") == 86_400
    assert [world.seconds(each) for each in ("sb-gone", "oc", "day")] == [0, 0, 0]
    assert world.seconds("box") == 3600  # 10:00 to 11:00 of `keep`
    assert world.usage("acme", "calls") == Decimal("2.5")
    assert world.dispositions("e2b/runs.ndjson") == {"billed": 1, "superseded": 3}
    assert world.dispositions("e2b/again.ndjson") == {"superseded": 1}
    for dump in ("opencomputer/scale_events/1", "opencomputer/scale_events/2"):
        assert world.dispositions(f"{dump}.ndjson") == {"superseded": 1}
    assert world.dispositions("daytona/usage_periods/1.csv") == {"superseded": 1}
    assert world.dispositions("intervals/1.csv") == {"billed": 1, "superseded": 1}
    assert world.dispositions("quantities/0.csv") == {"superseded": 1}
    assert world.dispositions("quantities/1.csv") == {"billed": 1, "superseded": 1}
    assert warnings(built.results) == {}


def warnings(results: Any) -> dict[str, int]:
    """The checks of corrections that do not pass, with how many rows fail."""
    return {
        each.check_name: each.failing_rows
        for each in results
        if each.check_name.startswith("assert_corrections") and not each.passed
    }


def test_increments_with_corrections_equal_a_full_refresh(
    world: World, new_world: Callable[[], World]
) -> None:
    """Asked for, uncovered by the clock, changed, taken back: each step as if built at once."""
    tell(world)
    world.build("2026-08-18T00:00:00Z")
    first = [correction("e-end"), correction("scale", requested_at="2026-08-20T12:00:00Z")]
    second = [correction("q-new", "replace", "1"), correction("keep"), correction("g-end")]
    third = [correction("q-new", "replace", "3"), correction("scale"), correction("g-end")]
    calls = []
    for corrections, at in [(first, AS_OF), (first, LATER), (second, LATER), (third, LATER)]:
        world.write("corrections.csv", corrections)
        assert not world.build(at).plan.rebuild_usage
        elsewhere = new_world()
        tell(elsewhere)
        elsewhere.write("corrections.csv", corrections)
        elsewhere.build(at)
        # Only the first home has rows of replaced files to account for.
        assert differing(world, elsewhere) <= {"fct_row_dispositions"}
        calls.append(world.usage("acme", "calls"))
    assert calls == [12, 12, 6, 8]  # 5 + 7, then 5 + 1, then 5 + 3

    (world.landing / "corrections.csv").unlink()
    assert not world.build(LATER).plan.rebuild_usage
    untouched = new_world()
    tell(untouched)
    untouched.build(LATER)
    assert differing(world, untouched) == {"fct_row_dispositions"}
    assert world.usage("acme", "calls") == 12


def test_a_voided_event_is_taken_back(world: World, new_world: Callable[[], World]) -> None:
    """Events of 3 and 4 calls; the one of 4 was told twice and is voided: 3 are left."""
    calls = {
        "meter_id": "api_calls",
        "source": "events",
        "event_type": "com.example.call",
        "aggregation": "sum",
        "value": "$.n",
    }
    corrections = [correction("four"), correction("three", "replace", "1")]

    def told(home: World) -> None:
        home.account("acme")
        home.meters = [*meters(), calls]
        home.write("cloudevents/1.json", [call("three", 3), call("four", 4)])
        home.write("cloudevents/2.json", [call("four", 4)])

    told(world)
    world.build(AS_OF)
    assert world.usage("acme", "api_calls") == 7
    world.write("corrections.csv", corrections)
    built = world.build(AS_OF)
    assert not built.plan.rebuild_usage
    assert world.usage("acme", "api_calls") == 3
    assert world.dispositions("cloudevents/1.json") == {"billed": 1, "superseded": 1}
    assert world.dispositions("cloudevents/2.json") == {"superseded": 1}
    # An event has no quantity to replace.
    assert warnings(built.results) == {"assert_corrections_replace_quantities_only": 1}
    at_once = new_world()
    told(at_once)
    at_once.write("corrections.csv", corrections)
    at_once.build(AS_OF)
    assert differing(world, at_once) == set()


def call(event_id: str, number: int) -> Row:
    """A CloudEvent of acme that tells some calls."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/api",
        "type": "com.example.call",
        "subject": "acme",
        "time": "2026-08-05T10:00:00Z",
        "data": {"n": number},
    }


def differing(one: World, other: World) -> set[str]:
    """The marts in which two homes differ."""
    ours, theirs = one.digests(), other.digests()
    return {name for name in theirs if ours[name] != theirs[name]}


def test_a_correction_that_corrects_nothing_or_too_much_is_a_warning(world: World) -> None:
    tell(world)
    world.write("intervals/2.csv", [interval("q-new", "acme", "other", AS_OF, LATER)])
    world.write(
        "corrections.csv",
        [correction("nowhere"), correction("e-end", "replace", "1"), correction("q-new")],
    )
    built = world.build(LATER)
    assert warnings(built.results) == {
        "assert_corrections_name_a_record": 1,  # nowhere
        "assert_corrections_name_one_record": 1,  # q-new, of intervals/ and of quantities/
        "assert_corrections_replace_quantities_only": 2,  # e-end, delivered twice
    }
    assert world.seconds("sb") == 600
    assert world.seconds("other") == 0
    assert world.usage("acme", "calls") == 5  # q-void, which nobody voided here


def test_a_correction_after_approval_is_a_line_of_its_own(world: World) -> None:
    """A void and a replacement of July, known in August: July stays, August has two lines."""
    world.account("acme")
    world.meters = meters("calls")
    prices = [charge("seconds", "sandbox_seconds"), charge("calls", "calls")]
    world.plans = [plan("payg", version(START, prices))]
    hour = ("2026-07-06T10:00:00Z", "2026-07-06T11:00:00Z")
    world.write("intervals/1.csv", [interval("run", "acme", "box", *hour)])
    world.write("quantities/1.csv", [quantity("calls", "acme", "calls", "100", *hour)])
    world.build("2026-08-02T00:00:00Z")
    [july] = world.approve("2026-07", "2026-08-02T00:00:00Z")
    # 3600 s x $0.01 = $36.00, 100 calls x $0.01 = $1.00
    assert july.total_minor == 3700

    world.write("corrections.csv", [correction("run"), correction("calls", "replace", "40")])
    world.build(AS_OF)
    corrections = world.lines("acme", charge_class="correction")
    assert [
        (each["statement_period"], each["charge_key"], each["quantity"], each["amount_minor"])
        for each in corrections
    ] == [("2026-08", "calls", -60, -60), ("2026-08", "seconds", -3600, -3600)]
    assert (
        world.value("select total_minor from marts.fct_statements where period = '2026-07'") == 3700
    )
