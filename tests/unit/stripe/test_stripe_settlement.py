"""What a meter shows is believed only when exactly one explanation fits."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dagster_project.ledger import Answer, Intent
from dagster_project.ledger.ledger import AnswerState
from dagster_project.stripe.history import History, histories
from dagster_project.stripe.settlement import explain, repeatable

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, tzinfo=UTC)


def unknown(*values: str) -> list[Intent]:
    return [
        Intent(
            f"in_{index}",
            "ap",
            "st",
            "acme",
            "cpu",
            "cpu",
            "cus",
            NOW,
            NOW,
            Decimal(value),
            0,
            f"id_{index}",
            f"me:id_{index}",
            NOW,
            index,
            1,
        )
        for index, value in enumerate(values)
    ]


def found(shown: str, known: str, *values: str) -> list[str]:
    verdicts = explain(Decimal(shown), Decimal(known), unknown(*values))
    return [verdict.found for verdict in verdicts.values()]


@pytest.mark.parametrize(
    ("shown", "known", "values", "expected"),
    [
        ("0", "0", ["5"], ["absent"]),
        ("5", "0", ["5"], ["present"]),
        ("12", "7", ["5"], ["present"]),
        ("7", "7", ["5"], ["absent"]),
        ("8", "7", ["5"], ["unknown"]),
        ("5", "0", ["5", "5"], ["unknown", "unknown"]),
        ("10", "0", ["5", "5"], ["present", "present"]),
        ("5.25", "0", ["5", "0.25"], ["present", "present"]),
        ("0.25", "0", ["5", "0.25"], ["absent", "present"]),
        # As a double prints it: 12345678.123456789012 loses its last digits.
        ("12345678.12345679", "0", ["12345678", "0.123456789012"], ["present", "present"]),
        # Too small to be seen beside the other: nobody knows.
        ("100000000000000", "100000000000000", ["0.000000000001"], ["unknown"]),
        ("-5", "0", ["-5"], ["present"]),
    ],
)
def test_explanations(shown: str, known: str, values: list[str], expected: list[str]) -> None:
    assert found(shown, known, *values) == expected


def test_too_many_unknowns_are_left_to_a_person() -> None:
    values = [str(2**power) for power in range(13)]
    assert set(found("1", "0", *values)) == {"unknown"}


def story(*steps: tuple[AnswerState, int | None]) -> History:
    answers = [
        Answer(n, "in", state, NOW + timedelta(hours=n), status, None, None, n, None)
        for n, (state, status) in enumerate(steps, start=1)
    ]
    return histories(answers).get("in", History())


def test_histories() -> None:
    assert not story().delivered
    assert story(("sending", None)).uncertain_since == NOW + timedelta(hours=1)
    assert story(("sending", None), ("accepted", 200)).delivered
    assert story(("sending", None), ("duplicate", 400)).delivered
    assert story(("sending", None), ("rejected", 400)).uncertain_since is None
    doubted = story(("sending", None), ("indeterminate", None), ("sending", None))
    assert doubted.uncertain_since == NOW + timedelta(hours=1)


def test_keys_change_only_when_stripe_would_repeat_its_answer() -> None:
    assert story(("sending", None), ("indeterminate", None)).key("k") == "k"
    assert story(("sending", None), ("indeterminate", 409)).key("k") == "k"
    assert story(("sending", None), ("rejected", 429)).key("k") == "k"
    assert story(("sending", None), ("indeterminate", 500)).key("k") == "k:1"
    assert story(("sending", None), ("rejected", 400)).key("k") == "k:1"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), True),
        (timedelta(hours=22, minutes=59), True),
        (timedelta(hours=23), False),
        (timedelta(days=9), False),
        (timedelta(minutes=-4), True),
        (timedelta(hours=-1), False),
    ],
)
def test_only_young_events_are_repeated(age: timedelta, expected: bool) -> None:
    assert repeatable(History(uncertain_since=NOW), NOW + age) is expected
    assert repeatable(History(), NOW + age)
