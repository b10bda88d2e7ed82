"""Whatever the network and the server do, Stripe ends up with what was approved."""

import json
import threading
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from push_world import NOW, SEPTEMBER, World, line, statement

from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.push import push
from dagster_project.stripe.server import StripeServer
from ingest.errors import MeterhouseError, PushIncomplete, UsageError

pytestmark = pytest.mark.faults

USAGE = {"cpu": "12345678.123456789012", "ram": "0.000000000001"}


def test_a_push_delivers_exactly_and_then_nothing_more(world: World) -> None:
    world.approve(statement("a", USAGE), statement("b", {"cpu": "100"}))
    first = world.push(workers=4)
    assert (first.sent, first.created_meters, first.complete) == (4, ["cpu", "ram"], True)
    assert first.totals == {
        "cpu": Decimal("12345778.123456789012"),
        "ram": Decimal("0.000000000001"),
    }
    world.assert_exact()
    before = len(world.server.requests)
    second = world.push()
    assert (second.sent, second.already_delivered, second.complete) == (0, 4, True)
    assert len(world.server.requests) == before
    states = [answer.state for answer in world.ledger.answers()]
    assert states.count("accepted") == 4
    assert states.count("sending") == 4


FAULTS: list[dict[str, Any]] = [
    {"kind": "error_500_before"},
    {"kind": "error_500_after"},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "conflict_409"},
    {"kind": "rate_limit_429", "times": 3},
    {"kind": "slow_before", "seconds": 0.1},
    {"kind": "slow_after", "seconds": 0.1},
    {"kind": "slow_after", "seconds": 1.3},
    {"kind": "slow_before", "seconds": 1.3},
    {"kind": "hang_before", "seconds": 1.3},
    {"kind": "hang_after", "seconds": 1.3},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_one_fault_is_ridden_out(world: World, fault: dict[str, Any]) -> None:
    world.approve(statement("a", USAGE))
    world.server.fault(skip=1, **fault)
    # A request still running at the server is waited for, not overtaken.
    pause = 0.5 if fault.get("seconds", 0) > 1 else 0
    result = world.push(sleep=lambda seconds: time.sleep(pause))
    assert result.complete, result.lines()
    world.assert_exact()
    assert world.push().sent == 0


@pytest.mark.parametrize(
    "kind", ["error_500_before", "error_500_after", "drop_after", "drop_before"]
)
def test_an_outage_leaves_the_rest_for_the_next_push(world: World, kind: str) -> None:
    world.approve(*(statement(name, {"cpu": "3"}) for name in "abcdef"))
    world.server.fault(kind, times=None)
    result = world.push()
    # A committed event is recognised by its identifier: that outage is already over.
    assert result.complete is (kind == "error_500_after")
    if kind.startswith("drop"):
        assert "does not answer" in str(result.stopped)
        assert result.waiting == 3
    assert all("push again" in problem.message for problem in result.uncertain)
    world.server.faults.clear()
    again = world.push(now=NOW + timedelta(hours=1))
    assert again.complete, again.lines()
    world.assert_exact()
    assert world.push().sent == 0


def test_a_rate_limit_that_does_not_end_is_reported(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    waits: list[float] = []
    world.server.fault("rate_limit_429", times=None)
    result = world.push(sleep=waits.append)
    assert "rate limit" in result.rejected[0].message
    assert len(waits) == 7
    assert all(0.25 <= wait <= 8 for wait in waits)
    world.server.faults.clear()
    assert world.push().complete
    world.assert_exact()


def test_a_refusal_after_a_lost_answer_proves_nothing(world: World) -> None:
    """The first attempt was taken; that the meter is gone for the second must not hide it."""
    world.approve(statement("a", {"cpu": "3"}))
    world.push(dry_run=True)
    world.server.fault("drop_after", times=None)
    assert world.push().uncertain
    world.server.faults.clear()
    client = stripe_client(world.server.environment())
    assert client is not None
    meter = client.v1.billing.meters.list().data[0]
    client.v1.billing.meters.deactivate(meter.id)
    # The kept answer of the first attempt would hide it too.
    world.server.set_now(NOW + timedelta(hours=1))
    with world.server.store.transaction():
        world.server.store._db.execute("DELETE FROM idempotency")
    result = world.push(now=NOW + timedelta(hours=1), create_meters=False)
    assert result.uncertain
    assert not result.rejected
    client.v1.billing.meters.reactivate(meter.id)
    again = world.push(now=NOW + timedelta(hours=1))
    assert (again.duplicates, again.sent) == (1, 0)
    world.assert_exact()


def test_a_missing_meter_is_named(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    result = world.push(create_meters=False)
    assert "create the meter 'cpu' (sum) in Stripe" in result.rejected[0].message
    assert not result.complete
    fixed = world.push()
    assert fixed.created_meters == ["cpu"]
    assert fixed.complete
    world.assert_exact()


def test_a_meter_that_counts_otherwise_stops_the_push(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    client = stripe_client(world.server.environment())
    assert client is not None
    client.v1.billing.meters.create(
        {
            "display_name": "cpu",
            "event_name": "cpu",
            "default_aggregation": {"formula": "last"},
            "event_time_window": "day",
        }
    )
    with pytest.raises(UsageError, match=r"formula last, not sum; pre-aggregated by day"):
        world.push()
    assert world.server.meter_events() == []


@pytest.mark.parametrize("kind", ["error_500_before", "error_500_after", "drop_after"])
def test_creating_meters_survives_faults(world: World, kind: str) -> None:
    world.approve(statement("a", {"cpu": "3", "ram": "4"}))
    world.server.fault(kind, path="/v1/billing/meters")
    try:
        world.push()
    except MeterhouseError as error:
        assert "nothing was sent" in str(error)  # noqa: PT017
    assert world.push().complete
    client = stripe_client(world.server.environment())
    assert client is not None
    names = [meter.event_name for meter in client.v1.billing.meters.list()]
    assert sorted(names) == ["cpu", "ram"]
    world.assert_exact()


def test_an_account_without_a_customer_waits_for_one(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}, customer=None), statement("b", {"cpu": "4"}))
    result = world.push()
    assert result.sent == 1
    assert "no stripe_customer_id" in result.rejected[0].message
    assert not result.complete
    world.server.add_customers(["cus_new"])
    fixed = world.push(customers={"a": "cus_new"})
    assert fixed.complete
    assert world.server.totals()[("cus_new", "cpu")] == 3
    # What was sent to one customer is never sent to another.
    assert world.push(customers={"a": "cus_other"}).sent == 0


def test_an_account_outside_stripe_with_nothing_to_pay_is_left_out(world: World) -> None:
    free = statement("a", {"cpu": "3"}, customer=None) | {"subtotal_minor": 0, "total_minor": 0}
    free["lines"] = [each | {"amount": Decimal(0), "amount_minor": 0} for each in free["lines"]]
    free["tiers"] = []
    world.approve(free, statement("b", {"cpu": "4"}))
    result = world.push()
    assert (result.complete, result.sent, result.outside) == (True, 1, 1)
    assert sum(world.server.totals().values()) == 4


def test_events_too_old_or_too_early_are_not_sent(world: World) -> None:
    world.approve(statement("a", {"cpu": "3"}))
    early = world.push(now=NOW - timedelta(days=5))
    assert "has not come yet" in early.rejected[0].message
    late = world.push(now=NOW + timedelta(days=40))
    assert "more than 35 days ago" in late.rejected[0].message
    again = world.push(now=NOW + timedelta(days=40))
    assert not again.complete
    assert [path for _, path in world.server.requests if path.endswith("meter_events")] == []
    assert len(world.ledger.answers()) == 2


def test_a_wrong_key_stops_at_once(world: World) -> None:
    world.approve(*(statement(name, {"cpu": "3"}) for name in "abc"))
    world.push(dry_run=True)
    env = {**world.server.environment(), "STRIPE_SECRET_KEY": "rk_test_x"}
    client = stripe_client(env)
    assert client is not None
    client._requestor._options.api_key = "nonsense"
    result = push(world.ledger, client, NOW, home=world.home, workers=1, sleep=lambda seconds: None)
    assert "refuses the key" in str(result.stopped)
    assert len(result.rejected) == 1
    assert result.waiting == 2
    assert world.push().complete
    world.assert_exact()


def test_corrections_are_sent_with_their_own_statement(world: World) -> None:
    world.approve(statement("a", {"cpu": "10"}))
    assert world.push().sent == 1
    correction = line("x", "a", "cpu", "-2.5", charge_class="correction", amount_minor=-25)
    later = NOW + timedelta(days=30)
    world.server.set_now(later)
    world.approve(statement("a", {"cpu": "1"}, bounds=SEPTEMBER, extra=[correction]), now=later)
    result = world.push(now=later)
    assert result.sent == 1
    assert [str(event.value) for event in world.server.meter_events()] == ["10", "-1.5"]
    world.assert_exact()


def test_one_period_at_a_time(world: World) -> None:
    later = NOW + timedelta(days=30)
    world.server.set_now(later)
    world.approve(statement("a", {"cpu": "1"}), statement("a", {"cpu": "2"}, bounds=SEPTEMBER))
    assert world.push(now=later, period="2026-09").sent == 1
    assert world.server.totals() == {("cus_a", "cpu"): Decimal(2)}
    assert world.push(now=later).sent == 1
    world.assert_exact()


def test_a_dry_run_touches_nothing(world: World) -> None:
    world.approve(statement("a", USAGE))
    result = world.push(dry_run=True)
    assert (result.mode, result.planned, result.complete) == ("dry_run", 3, True)
    assert world.server.requests == []
    assert world.ledger.intents() == []


def test_without_a_key_the_outbox_is_written(world: World) -> None:
    world.approve(statement("b", {"cpu": "1E+2"}), statement("a", USAGE))

    def outbox() -> bytes:
        result = push(world.ledger, None, NOW, home=world.home)
        assert result.complete
        assert result.outbox == [world.home / "outbox" / "meter_events_2026-08.jsonl"]
        assert "STRIPE_SECRET_KEY is not set, nothing was sent" in result.lines()[0]
        return result.outbox[0].read_bytes()

    first = outbox()
    assert outbox() == first
    events = [json.loads(text) for text in first.splitlines()]
    assert [event["payload"]["value"] for event in events if event["event_name"] == "ram"] == [
        "0.000000000001"
    ]
    assert [set(event) for event in events] == [
        {"identifier", "timestamp", "event_name", "payload"}
    ] * 4
    assert world.ledger.intents() == []
    assert world.push().sent == 4
    sent = {event.identifier for event in world.server.meter_events()}
    assert sent == {event["identifier"] for event in events}
    # What is delivered must not be uploaded as well.
    assert (world.home / "outbox" / "meter_events_2026-08.jsonl").read_bytes() == b""


def test_only_one_push_at_a_time(world: World) -> None:
    world.approve(statement("a", USAGE))
    world.server.fault("slow_before", seconds=0.6)
    outcome: list[Any] = []
    running = threading.Thread(target=lambda: outcome.append(world.push()))
    running.start()
    while not any(path.endswith("meter_events") for _, path in world.server.requests):
        running.join(0.01)
    with pytest.raises(PushIncomplete, match=r"another push is running .*push\.lock"):
        world.push()
    running.join()
    assert outcome[0].complete
    world.assert_exact()


def test_two_homes_with_one_ledger_do_not_send_twice(world: World, tmp_path: Path) -> None:
    """Where no file lock is shared, the ledger itself and the identifiers keep events single."""
    world.approve(*(statement(name, {"cpu": "3"}) for name in "abcdef"))
    problems: list[BaseException] = []

    def other(home: Path) -> None:
        try:
            client = stripe_client(world.server.environment())
            push(world.ledger, client, NOW, home=home, create_meters=True, workers=1)
        except MeterhouseError as error:
            problems.append(error)

    threads = [threading.Thread(target=other, args=(tmp_path / str(n),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.push().complete
    world.assert_exact()
    assert all("another push" in str(problem) for problem in problems)


def test_a_lost_ledger_does_not_bill_twice(world: World, tmp_path: Path) -> None:
    world.approve(statement("a", USAGE))
    assert world.push().sent == 3
    fresh = World(tmp_path / "restored", world.server)
    fresh.approve(statement("a", USAGE))
    assert fresh.push().complete
    world.assert_exact()
    again = World(tmp_path / "restored again", world.server)
    again.approve(statement("a", USAGE))
    with world.server.store.transaction():
        world.server.store._db.execute("DELETE FROM idempotency")
    result = again.push()
    assert (result.sent, result.duplicates, result.complete) == (0, 3, True)
    world.assert_exact()
    again.ledger.close()
    fresh.ledger.close()


def test_progress_counts_events(world: World) -> None:
    world.approve(statement("a", USAGE))
    seen: list[tuple[int, int]] = []
    world.push(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_result_is_json(world: World) -> None:
    world.approve(statement("a", USAGE), statement("b", {"cpu": "1"}, customer=None))
    shown = json.loads(json.dumps(world.push().to_json()))
    assert shown["totals"]["cpu"] == "12345679.123456789012"
    assert shown["complete"] is False
    assert shown["rejected"][0]["account_id"] == "b"


def test_an_event_for_a_deleted_customer_is_not_counted_but_reported() -> None:
    with StripeServer(now=NOW) as server:
        client = stripe_client(server.environment())
        assert client is not None
        client.v1.billing.meters.create(
            {
                "display_name": "cpu",
                "event_name": "cpu",
                "default_aggregation": {"formula": "sum"},
            }
        )
        client.v1.billing.meter_events.create(
            {"event_name": "cpu", "payload": {"stripe_customer_id": "cus_gone", "value": "1"}},
            {"idempotency_key": "me:1"},
        )
        assert server.totals() == {}
        event = client.v2.core.events.list().data[0]
        full: Any = client.v2.core.events.retrieve(event.id)
        sample = full.data.reason.error_types[0].sample_errors[0]
        assert sample.request.identifier == "me:1"
