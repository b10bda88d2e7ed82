"""A push that is killed half-way, twice, and then left to finish."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from push_world import NOW, World, statement

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("run_push.py")


def start(world: World) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(world.home), NOW.isoformat(), world.server.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(world: World, condition: Callable[[], bool]) -> None:
    """Start a push and kill it the moment the condition holds."""
    process = start(world)
    deadline = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the push never came to the point where it is killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(world: World) -> str:
    process = start(world)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output + errors
    return output


def posts(world: World) -> int:
    return sum(path.endswith("meter_events") for method, path in world.server.requests)


@pytest.fixture
def approved(world: World) -> World:
    world.approve(
        *(
            statement(name, {"cpu": f"{number}2345678.123456789012", "ram": f"{number}.5"})
            for number, name in enumerate("abcd", start=1)
        )
    )
    return world


def test_killed_before_and_after_the_server_committed(approved: World) -> None:
    server = approved.server
    # Once while the server has the request and never does it, once after it did.
    for _ in range(4):
        server.fault("drop_before", seconds=2, skip=2)
    kill_when(approved, lambda: posts(approved) >= 3 and bool(server.meter_events()))
    server.faults.clear()
    seen = len(server.meter_events())
    server.fault("slow_after", seconds=2, times=None)
    kill_when(approved, lambda: len(server.meter_events()) > seen)
    server.faults.clear()

    states = {answer.intent_id: answer.state for answer in approved.ledger.answers()}
    assert "sending" in states.values()
    finish(approved)
    approved.assert_exact()
    counted = len(server.meter_events())
    assert counted == 12
    assert " 0 meter events sent" in finish(approved)
    assert len(server.meter_events()) == counted


def test_killed_while_the_server_commits_after_the_death(approved: World) -> None:
    """The request of the dead push is carried out during the next push."""
    server = approved.server
    server.fault("slow_before", seconds=2.5, skip=1)
    kill_when(approved, lambda: posts(approved) >= 2)
    finish(approved)
    time.sleep(0.1)
    approved.assert_exact()
    finish(approved)
    approved.assert_exact()


def test_killed_between_planning_and_sending(approved: World) -> None:
    approved.server.fault("drop_before", seconds=2, times=None)
    kill_when(approved, lambda: posts(approved) >= 1)
    approved.server.faults.clear()
    assert approved.server.meter_events() == []
    assert len(approved.ledger.intents()) == 12
    finish(approved)
    approved.assert_exact()
