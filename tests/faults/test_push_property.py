"""Random faults, crashes and pauses: never an event more, and in the end not one less."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from push_world import NOW, World, statement

from dagster_project.ledger import Answer, Ledger
from dagster_project.stripe.server import StripeServer

pytestmark = pytest.mark.faults


class Crash(BaseException):
    """Not an error that anybody could handle: the process is gone."""


class CrashingLedger(Ledger):
    """Dies before or after the n-th answer is written."""

    countdown = -1
    after_writing = False

    def record_answer(self, *args: Any, **kwargs: Any) -> Answer:
        self.countdown -= 1
        if self.countdown == 0 and not self.after_writing:
            raise Crash
        answer = super().record_answer(*args, **kwargs)
        if self.countdown == 0:
            raise Crash
        return answer


@dataclass(frozen=True)
class Round:
    """One push: what the server does, where it dies, how long until the next."""

    faults: list[tuple[str, int, int]]
    crash_at: int
    after_writing: bool
    pause: timedelta


kinds = st.sampled_from(
    [
        "error_500_before",
        "error_500_after",
        "drop_before",
        "drop_after",
        "conflict_409",
        "rate_limit_429",
    ]
)
rounds = st.builds(
    Round,
    faults=st.lists(st.tuples(kinds, st.integers(0, 4), st.integers(1, 6)), max_size=4),
    crash_at=st.integers(-1, 20),
    after_writing=st.booleans(),
    pause=st.sampled_from(
        [
            timedelta(0),
            timedelta(minutes=10),
            timedelta(hours=12),
            timedelta(hours=22, minutes=50),
            timedelta(hours=30),
        ]
    ),
)
values = st.decimals(min_value="-1e9", max_value="1e9", places=12, allow_nan=False).filter(bool)
accounts = st.lists(st.tuples(values, values), min_size=1, max_size=3)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(accounts=accounts, rounds=st.lists(rounds, max_size=5))
def test_exactly_what_was_approved(accounts: list[Any], rounds: list[Round]) -> None:
    with tempfile.TemporaryDirectory() as folder, StripeServer(now=NOW, summary_lag=1800) as server:
        world = World(Path(folder), server)
        world.ledger.close()
        ledger = CrashingLedger(world.ledger_url)
        world.ledger = ledger
        world.approve(
            *(
                statement(f"a{number}", {"cpu": f"{cpu:f}", "ram": f"{ram:f}"})
                for number, (cpu, ram) in enumerate(accounts)
            )
        )
        now = NOW
        for one in rounds:
            for kind, skip, times in one.faults:
                server.fault(kind, skip=skip, times=times)
            ledger.countdown, ledger.after_writing = one.crash_at, one.after_writing
            try:
                world.push(now=now)
            except Crash:
                ledger.countdown = -1
            server.faults.clear()
            assert_nothing_twice(server)
            now += one.pause
            server.set_now(now)
        ledger.countdown = -1
        for _ in range(3):
            result = world.push(now=now)
            if result.complete:
                break
            now += timedelta(hours=2)
            server.set_now(now)
        assert result.complete, result.lines()
        world.assert_exact()
        sent = len(server.meter_events())
        assert world.push(now=now).sent == 0
        assert len(server.meter_events()) == sent
        ledger.close()


def assert_nothing_twice(server: StripeServer) -> None:
    counts = Counter(event.identifier for event in server.meter_events())
    assert all(count == 1 for count in counts.values()), counts
