"""The ledger keeps what was approved and refuses to forget, change or invent any of it."""

import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.ledger import TABLE_NAMES, Intent, Ledger, statement_digest
from ingest.errors import MeterhouseError, UsageError

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, 12, tzinfo=UTC)
START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)


def charge(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "charge_id": f"ch-{number}",
        "statement_id": "st-1",
        "account_id": "acme",
        "subscription_id": "sub-1",
        "plan_id": "pro",
        "plan_version": "2026-04-22T00:00:00Z",
        "charge_key": "cpu",
        "meter_id": "cpu",
        "period_start": START,
        "period_end": END,
        "charge_class": "usage",
        "quantity": Decimal("12345678.123456789012"),
        "amount": Decimal("1.004999999999999999"),
        "amount_minor": 100,
        "currency": "usd",
        "corrects_charge_id": None,
        "stripe_event_name": "cpu",
        **changes,
    }


def closed(**changes: Any) -> dict[str, Any]:
    return {
        "statement_id": "st-1",
        "account_id": "acme",
        "subscription_id": "sub-1",
        "period_start": START,
        "period_end": END,
        "currency": "usd",
        "subtotal_minor": 200,
        "credits_minor": 50,
        "total_minor": 150,
        "stripe_customer_id": "cus_1",
        "lines": [charge(1), charge(2)],
        "tiers": [
            {
                "charge_id": "ch-1",
                "tier_index": 1,
                "quantity": Decimal("12345678.123456789012"),
                "unit_amount": Decimal("1E-12"),
                "flat_amount": Decimal("0"),
                "amount": Decimal("1.004999999999999999"),
            }
        ],
        "credits": [{"credit_id": "cr-1", "applied_minor": 50, "remaining_minor": 950}],
        **changes,
    }


def planned(**changes: Any) -> Intent:
    values: dict[str, Any] = {
        "intent_id": "in_1",
        "approval_id": "",
        "statement_id": "st-1",
        "account_id": "acme",
        "meter_id": "cpu",
        "stripe_event_name": "cpu",
        "stripe_customer_id": "cus_1",
        "period_start": START,
        "period_end": END,
        "value": Decimal("0.000000000001"),
        "event_timestamp": int(END.timestamp()) - 1,
        "identifier": "abc",
        "idempotency_key": "me:abc",
        "created_at": NOW,
        "part": 1,
        "revision": 1,
    }
    return Intent(**{**values, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{path}")
    yield opened
    opened.close()


def test_an_approval_comes_back_exact(ledger: Ledger) -> None:
    approval = ledger.approve([closed()], " Ada ", "looked at it", NOW)[0]
    assert ledger.approvals() == [approval]
    assert (approval.approved_by, approval.period, approval.total_minor) == ("Ada", "2026-08", 150)
    assert approval.approved_at == NOW
    stored = ledger.lines()
    assert [line.quantity for line in stored] == [Decimal("12345678.123456789012")] * 2
    assert stored[0].amount == Decimal("1.004999999999999999")
    assert ledger.export_rows("tiers")[0]["unit_amount"] == "0.000000000001"
    assert ledger.export_rows("credits")[0]["remaining_minor"] == 950
    ledger.verify()


def test_repeating_an_approval_changes_nothing(ledger: Ledger) -> None:
    first = ledger.approve([closed()], "Ada", None, NOW)
    again = ledger.approve([closed()], "Bob", "other", NOW + timedelta(days=1))
    assert again == first
    assert len(ledger.lines()) == 2


def test_an_approved_statement_never_changes(ledger: Ledger) -> None:
    ledger.approve([closed()], "Ada", None, NOW)
    other = closed(lines=[charge(1, quantity=Decimal(1)), charge(2)])
    with pytest.raises(UsageError, match=r"st-1: approved by Ada .*never changes"):
        ledger.approve([other], "Ada", None, NOW)
    assert ledger.lines()[0].quantity == Decimal("12345678.123456789012")


def test_all_statements_are_approved_or_none(ledger: Ledger) -> None:
    good = closed(
        statement_id="st-0",
        lines=[charge(1, statement_id="st-0"), charge(2, statement_id="st-0")],
    )
    with pytest.raises(UsageError):
        ledger.approve([good, closed(total_minor=1)], "Ada", None, NOW)
    assert ledger.approvals() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subtotal_minor": 201}, "subtotal_minor is 201 but its rows give 200"),
        ({"credits_minor": 49, "total_minor": 151}, "credits_minor is 49 but its rows give 50"),
        ({"total_minor": 151}, "total_minor is 151 but its rows give 150"),
        ({"lines": [charge(1), charge(1)]}, "charge_id occurs twice"),
        ({"lines": [charge(1), charge(2, account_id="b")]}, "ch-2: account_id 'b' is not"),
        ({"lines": [charge(1), charge(2, quantity=1.5)]}, "quantity is a float"),
        ({"lines": [charge(1), charge(2, quantity=Decimal("NaN"))]}, "quantity is NaN"),
        ({"lines": [charge(1), charge(2, amount_minor=Decimal("1.5"))]}, "not a whole number"),
        ({"lines": [charge(1), charge(2, charge_class="gift")]}, "unknown charge_class 'gift'"),
        ({"lines": [charge(1), {"charge_id": "x"}]}, "charge x: no column statement_id"),
        ({"period_start": datetime(2026, 8, 1)}, "has no zone"),  # noqa: DTZ001
    ],
)
def test_what_does_not_add_up_is_refused(
    ledger: Ledger, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ledger.approve([closed(**changes)], "Ada", None, NOW)
    assert ledger.approvals() == []


def test_an_approval_needs_a_name(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="--by NAME"):
        ledger.approve([closed()], " ", None, NOW)


@pytest.mark.parametrize(
    ("start", "period"),
    [
        (datetime(2026, 7, 31, 15, tzinfo=UTC), "2026-08"),  # Tokyo
        (datetime(2026, 8, 1, 7, tzinfo=UTC), "2026-08"),  # Los Angeles
        (datetime(2026, 8, 15, tzinfo=UTC), "2026-08"),
        (datetime(2026, 12, 31, 10, tzinfo=UTC), "2027-01"),  # Kiritimati
    ],
)
def test_the_period_is_the_local_month(ledger: Ledger, start: datetime, period: str) -> None:
    assert ledger.approve([closed(period_start=start)], "Ada", None, NOW)[0].period == period


def test_approvals_as_of_a_moment(ledger: Ledger) -> None:
    ledger.approve([closed()], "Ada", None, NOW)
    assert ledger.approvals(NOW - timedelta(microseconds=1)) == []
    assert len(ledger.approvals(NOW)) == 1


@pytest.mark.parametrize("table", TABLE_NAMES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_rows_can_neither_change_nor_go(
    ledger: Ledger, path: Path, table: str, statement: str
) -> None:
    approval = ledger.approve([closed()], "Ada", None, NOW)[0]
    ledger.plan_intents([planned(approval_id=approval.approval_id)])
    ledger.record_answer("in_1", "sending", NOW)
    column = list(ledger.export_rows(table)[0])[1]
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement.format(table, column))
    finally:
        connection.close()


def test_tampering_below_the_triggers_is_found(ledger: Ledger, path: Path) -> None:
    ledger.approve([closed()], "Ada", None, NOW)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER lines_refuse_update")
    connection.execute("UPDATE lines SET quantity = '1' WHERE charge_id = 'ch-1'")
    connection.commit()
    connection.close()
    with pytest.raises(MeterhouseError, match="statement st-1: its rows are not what was approved"):
        ledger.verify()


@given(st.randoms(use_true_random=False))
def test_the_digest_sees_values_only(chance: random.Random) -> None:
    lines = [charge(number, quantity=Decimal(number)) for number in range(5)]
    credits = [{"credit_id": f"c{n}", "applied_minor": n, "remaining_minor": 0} for n in range(3)]
    totals = closed()
    digest = statement_digest(lines, credits, totals)
    tokyo = timezone(timedelta(hours=9))
    respelled = [
        {
            **row,
            "quantity": row["quantity"].quantize(Decimal("0.000")),
            "period_start": row["period_start"].astimezone(tokyo),
            "unknown_column": 1,
        }
        for row in lines
    ]
    chance.shuffle(respelled)
    chance.shuffle(credits)
    assert statement_digest(respelled, credits, totals) == digest
    chosen = chance.choice(lines)
    chosen["amount_minor"] += 1
    assert statement_digest(lines, credits, totals) != digest


def test_intents_are_written_once(ledger: Ledger) -> None:
    approval = ledger.approve([closed()], "Ada", None, NOW)[0]
    intent = planned(approval_id=approval.approval_id)
    assert ledger.plan_intents([intent]) == [intent]
    assert ledger.plan_intents([intent]) == []
    assert ledger.intents() == [intent]
    with pytest.raises(MeterhouseError, match="planned before with another customer"):
        ledger.plan_intents([planned(approval_id=approval.approval_id, identifier="other")])


def test_two_writers_of_one_intent_collide(ledger: Ledger) -> None:
    approval = ledger.approve([closed()], "Ada", None, NOW)[0]
    ledger.plan_intents([planned(approval_id=approval.approval_id)])
    first = ledger.record_answer("in_1", "sending", NOW, step=1, idempotency_key="me:abc")
    assert (first.step, first.state, first.at) == (1, "sending", NOW)
    with pytest.raises(MeterhouseError, match="another push is answering"):
        ledger.record_answer("in_1", "sending", NOW, step=1)
    assert [answer.state for answer in ledger.answers()] == ["sending"]


def test_several_connections_write_at_once(ledger: Ledger, path: Path) -> None:
    approval = ledger.approve([closed()], "Ada", None, NOW)[0]
    intents = [
        planned(approval_id=approval.approval_id, intent_id=f"in_{n}", identifier=f"i{n}")
        for n in range(8)
    ]
    ledger.plan_intents(intents)

    def answer(intent: Intent) -> None:
        other = Ledger(f"sqlite:///{path}")
        for _ in range(5):
            other.record_answer(intent.intent_id, "sending", NOW)
        other.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(answer, intents))
    steps = sorted((row.intent_id, row.step) for row in ledger.answers())
    assert steps == [(f"in_{n}", step) for n in range(8) for step in range(1, 6)]


def test_a_ledger_of_a_newer_version_is_refused(path: Path, ledger: Ledger) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="newer version"):
        Ledger(f"sqlite:///{path}")


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="METERHOUSE_LEDGER_URL"):
        Ledger("no url")
    noise = tmp_path / "noise.sqlite"
    noise.write_bytes(b"not a database" * 100)
    with pytest.raises(UsageError, match="cannot be opened"):
        Ledger(f"sqlite:///{noise}")


def test_export_knows_its_tables(ledger: Ledger) -> None:
    assert all(ledger.export_rows(name) == [] for name in TABLE_NAMES)
    with pytest.raises(UsageError, match="no table 'secrets'"):
        ledger.export_rows("secrets")
