"""Approved quantities become events that add up to exactly them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.ledger import Approval, Intent, Line
from dagster_project.stripe.planning import (
    EXACT,
    Need,
    event_timestamp,
    intents_for,
    needs,
    split_value,
    value_text,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, tzinfo=UTC)
START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)

quantities = st.decimals(
    min_value=Decimal("-1e26"), max_value=Decimal("1e26"), places=12, allow_nan=False
)


def approval(number: int = 1) -> Approval:
    return Approval(
        f"ap_{number}", f"st_{number}", "acme", None, "2026-08", START, END, "usd", 0, 0, 0,
        "digest", "Ada", NOW, None, "cus_1",
    )  # fmt: skip


def usage(
    quantity: str | None, event: str | None = "cpu", kind: str = "usage", meter: str | None = "cpu"
) -> Line:
    return Line(
        "ap_1", f"ch-{quantity}-{kind}", "st_1", "acme", None, None, None, None, meter, START, END,
        kind, None if quantity is None else Decimal(quantity), Decimal(0), 0, "usd", None, event,
    )  # fmt: skip


@given(quantities)
def test_parts_fit_and_add_up(value: Decimal) -> None:
    parts = split_value(value)
    total = Decimal(0)
    for part in parts:
        assert part
        assert (part < 0) == (value < 0)
        assert len(EXACT.normalize(part).as_tuple().digits) <= 15
        assert "E" not in value_text(part).upper()
        assert Decimal(value_text(part)) == part
        total = EXACT.add(total, part)
    assert total == value


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("0", []),
        ("12.5", ["12.5"]),
        ("1E+2", ["100"]),
        ("0.000000000001", ["0.000000000001"]),
        ("123456789012345", ["123456789012345"]),
        ("12345678.123456789012", ["12345678", "0.123456789012"]),
        ("-12345678.123456789012", ["-12345678", "-0.123456789012"]),
        ("1234567890123456", ["1234567890123450", "6"]),
    ],
)
def test_parts_of_known_values(value: str, parts: list[str]) -> None:
    assert [value_text(part) for part in split_value(Decimal(value))] == parts


def test_needs_count_usage_and_corrections_with_an_event_name() -> None:
    lines = [
        usage("1.5"),
        usage("-0.25", kind="correction"),
        usage("7", event=None),
        usage("7", kind="base_fee"),
        usage(None),
        usage("3", event="ram"),
        usage("-3", event="ram", kind="correction"),
    ]
    found = needs([approval()], lines)
    assert [(need.stripe_event_name, need.quantity) for need in found] == [("cpu", Decimal("1.25"))]
    assert needs([approval(2)], lines) == []


def identifiers(quantity: str, customer: str = "cus_1", number: int = 1) -> list[str]:
    need = Need(approval(number), "cpu", "cpu", Decimal(quantity))
    return [intent.identifier for intent in intents_for(need, customer, NOW)]


def test_the_identifier_is_a_function_of_all_that_is_said() -> None:
    same = identifiers("1.5")
    assert same == identifiers("1.50")
    others = [
        identifiers("1.6"),
        identifiers("1.5", customer="cus_2"),
        identifiers("1.5", number=2),
    ]
    assert all(other != same for other in others)
    parts = identifiers("12345678.123456789012")
    assert len(set(parts)) == 2
    assert all(len(identifier) <= 100 for identifier in parts)


def test_events_lie_inside_the_period() -> None:
    assert event_timestamp(END) == int(END.timestamp()) - 1
    odd = END + timedelta(microseconds=5)
    assert event_timestamp(odd) == int(END.timestamp())


def test_planning_again_later_says_the_same() -> None:
    need = Need(approval(), "cpu", "cpu", Decimal("12345678.123456789012"))
    first = intents_for(need, "cus_1", NOW)
    later = intents_for(need, "cus_1", NOW + timedelta(days=3))

    def said(intent: Intent) -> tuple[object, ...]:
        return (intent.intent_id, intent.identifier, intent.value, intent.event_timestamp)

    assert [said(intent) for intent in first] == [said(intent) for intent in later]
