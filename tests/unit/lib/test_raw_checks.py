"""Expectations are asked about what is new, and remembered."""

from collections.abc import Sequence

import pytest

from dagster_project.lib import raw_checks
from ingest.expectations import ExpectationOutcome, Suite
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit


class Validator:
    """Stands for the process that runs Great Expectations; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[str]]] = []
        self.failing: set[str] = set()

    def __call__(
        self, settings: Settings, load_seqs: Sequence[int], suites: Sequence[Suite]
    ) -> list[ExpectationOutcome]:
        self.asked.append((list(load_seqs), [suite.asset for suite in suites]))
        return [
            ExpectationOutcome(
                name=rule.name,
                table=suite.asset,
                passed=rule.name not in self.failing,
                blocking=rule.blocking,
                failing_rows=2 if rule.name in self.failing else 0,
                detail=rule.detail,
                sample=[("e2b/a.jsonl", 7)] if rule.name in self.failing else [],
            )
            for suite in suites
            for rule in suite.rules
        ]


@pytest.fixture
def validator(monkeypatch: pytest.MonkeyPatch) -> Validator:
    found = Validator()
    monkeypatch.setattr(raw_checks, "validate", found)
    return found


def _load(settings: Settings, source: str) -> None:
    with connect(settings) as con:
        con.execute(
            "insert into ops.loads select coalesce(max(load_seq), 0) + 1, ?, 'f', 's', 1, 1, 0, "
            "true, now(), 'json' from ops.loads",
            [source],
        )


def test_only_new_loads_are_validated(settings: Settings, validator: Validator) -> None:
    _load(settings, "e2b")
    _load(settings, "accounts")
    first = raw_checks.validate_new(settings, run_id="r1")
    assert validator.asked == [([1], ["e2b_events"])]
    assert all(result.passed for result in first)
    assert raw_checks.validate_new(settings, run_id="r2") == first
    _load(settings, "opencomputer/scale_events")
    raw_checks.validate_new(settings, run_id="r3")
    assert validator.asked[1:] == [([3], ["opencomputer_scale_events"])]


def test_what_failed_is_validated_again(settings: Settings, validator: Validator) -> None:
    """A failure must not be forgotten because the next run has nothing new."""
    validator.failing = {"e2b_event_id_means_one_event"}
    _load(settings, "e2b")
    for run_id in ("r1", "r2"):
        results = raw_checks.validate_new(settings, run_id=run_id)
        (failed,) = [result for result in results if not result.passed]
        assert failed.stops
        assert failed.describe().endswith("; first: e2b/a.jsonl record 7")
    assert validator.asked == [([1], ["e2b_events"])] * 2


def test_without_loads_nothing_is_asked(settings: Settings, validator: Validator) -> None:
    assert raw_checks.validate_new(settings, run_id="r1") == []
    assert validator.asked == []
