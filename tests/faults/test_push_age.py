"""Unanswered events that Stripe would no longer recognise are settled from its meter, or held."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from push_world import NOW, World, statement

from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.push import decide
from ingest.errors import UsageError

pytestmark = pytest.mark.faults

LATE = NOW + timedelta(hours=25)


def lose_answer(world: World, *, taken: bool) -> None:
    """Push while every answer is lost."""
    world.server.fault("drop_after" if taken else "drop_before", times=None)
    result = world.push()
    assert result.uncertain
    world.server.faults.clear()


def posts(world: World) -> int:
    return sum(path.endswith("meter_events") for method, path in world.server.requests)


@pytest.mark.parametrize("taken", [True, False])
def test_the_same_bytes_within_23_hours(world: World, taken: bool) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    lose_answer(world, taken=taken)
    later = NOW + timedelta(hours=22, minutes=58)
    world.server.set_now(later)
    result = world.push(now=later)
    assert result.complete
    assert result.settled == 0
    world.assert_exact()
    keys = {answer.idempotency_key for answer in world.ledger.answers()}
    assert len(keys) == 1


@pytest.mark.parametrize("usage", [{"cpu": "3"}, {"cpu": "12345678.123456789012"}])
def test_taken_long_ago_is_found_in_the_meter(world: World, usage: dict[str, str]) -> None:
    world.approve(statement("a", usage))
    lose_answer(world, taken=True)
    world.server.set_now(LATE)
    before = posts(world)
    result = world.push(now=LATE)
    assert result.complete
    assert result.settled == len(world.ledger.intents())
    assert posts(world) == before
    world.assert_exact()
    assert world.push(now=LATE).already_delivered == result.settled


def test_never_taken_is_sent_again(world: World) -> None:
    world.approve(statement("a", {"cpu": "12345678.123456789012"}))
    lose_answer(world, taken=False)
    world.server.set_now(LATE)
    result = world.push(now=LATE)
    assert (result.sent, result.settled, result.complete) == (2, 0, True)
    world.assert_exact()


def test_half_taken_is_completed(world: World) -> None:
    world.approve(statement("a", {"cpu": "12345678.123456789012"}))
    world.server.fault("drop_before", times=3)
    world.server.fault("drop_after", times=None)
    world.push()
    world.server.faults.clear()
    world.server.set_now(LATE)
    result = world.push(now=LATE)
    assert (result.sent, result.settled) == (1, 1)
    world.assert_exact()


def test_a_reading_that_nothing_explains_is_held(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    lose_answer(world, taken=False)
    client = stripe_client(world.server.environment())
    assert client is not None
    client.v1.billing.meter_events.create(
        {
            "event_name": "cpu",
            "payload": {"stripe_customer_id": "cus_a", "value": "8"},
            "timestamp": world.ledger.intents()[0].event_timestamp,
        }
    )
    world.server.set_now(LATE)
    result = world.push(now=LATE)
    assert not result.complete
    message = result.held[0].message
    assert "shows 8" in message
    assert "no explanation fits" in message
    assert world.server.totals() == {("cus_a", "cpu"): Decimal(8)}
    identifier = result.held[0].identifier
    assert identifier
    how: dict[str, Any] = {"by": "Ada", "now": LATE, "home": world.home}
    with pytest.raises(UsageError, match="not in doubt"):
        decide(world.ledger, "unknown", delivered=True, **how)
    assert decide(world.ledger, identifier, delivered=False, **how).state == "rejected"
    assert world.push(now=LATE).sent == 1
    assert world.server.totals() == {("cus_a", "cpu"): Decimal(11)}
    with pytest.raises(UsageError, match="not in doubt"):
        decide(world.ledger, identifier, delivered=False, **how)


def test_a_meter_that_may_lag_is_not_believed(world: World) -> None:
    """The summary may miss what another push sent minutes ago: believing it would bill twice."""
    world.approve(statement("a", {"cpu": "3"}))
    lose_answer(world, taken=True)
    almost = NOW + timedelta(hours=22, minutes=50)
    world.server.set_now(almost)
    world.server.fault("drop_after", times=None)
    assert world.push(now=almost).uncertain
    world.server.faults.clear()
    soon = NOW + timedelta(hours=23, minutes=10)
    result = world.push(now=soon)
    assert "push again in an hour" in result.held[0].message
    later = NOW + timedelta(hours=24)
    world.server.set_now(later)
    assert world.push(now=later).settled == 1
    world.assert_exact()


def test_a_clock_set_back_repeats_nothing(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    lose_answer(world, taken=True)
    before = posts(world)
    result = world.push(now=NOW - timedelta(hours=2))
    assert result.held
    assert posts(world) == before


def test_a_meter_gone_or_silent_holds_the_event(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    lose_answer(world, taken=True)
    world.server.set_now(LATE)
    world.server.fault("error_500_before", method="GET", path="/v1/billing/meters/", times=None)
    held = world.push(now=LATE)
    assert "could not be read" in held.held[0].message
    world.server.faults.clear()
    client = stripe_client(world.server.environment())
    assert client is not None
    meter = client.v1.billing.meters.list().data[0]
    client.v1.billing.meters.deactivate(meter.id)
    gone = world.push(now=LATE, create_meters=False)
    assert "no active meter" in gone.held[0].message
    client.v1.billing.meters.reactivate(meter.id)
    assert world.push(now=LATE).settled == 1
    world.assert_exact()


def test_too_late_to_send_is_still_settled(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}), statement("b", {"cpu": "4"}))
    world.server.fault("drop_after", times=3)
    world.server.fault("drop_before", times=3)
    world.push()
    world.server.faults.clear()
    much_later = NOW + timedelta(days=36)
    world.server.set_now(much_later)
    result = world.push(now=much_later)
    assert result.settled == 1
    assert "more than 35 days ago" in result.rejected[0].message
    assert world.server.totals() == {("cus_a", "cpu"): Decimal(3)}
