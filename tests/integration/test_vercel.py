"""Vercel's sessions, each expected figure worked out by hand.

All cases live in one landing zone, each with sessions and an account of its own, and are built
once, as of 2026-09-02. `@written` marks what a case puts there; the test below it says what
follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

import duckdb
import pytest
import yaml
from world import Cases, Row, World, milliseconds, session, utc

from dagster_project.lib.paths import DBT_PROJECT

pytestmark = pytest.mark.integration

AS_OF = "2026-09-02T00:00:00Z"
CPU, RAM, DISK = (
    "sandbox_cpu_core_seconds",
    "sandbox_ram_gibi_seconds",
    "sandbox_ssd_gibi_seconds",
)

CASES = Cases()
written = CASES.written


def page(*sessions: Row) -> str:
    """An answer of the API, as text."""
    return json.dumps({"sessions": sessions, "pagination": {"count": len(sessions), "next": None}})


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    CASES.tell(world)
    world.build(AS_OF)
    return world


@written
def _stopped(world: World) -> None:
    world.account("plain")
    at = ("2026-08-03T10:00:00.250Z", "2026-08-03T10:01:30.251Z")
    done = session(
        "v-plain", "plain", "stopped", "2026-08-03T10:01:31Z", *at, activeCpuDurationMs=8123
    )
    world.write("vercel/sessions/plain.json", page(done))


def test_a_session_bills_what_was_allocated(built: World) -> None:
    """2 cores and 4096 MiB from its start to its stop, to the millisecond; not the active CPU."""
    [run] = built.intervals("v-plain")
    assert run["seconds"] == Decimal("90.001")  # 10:01:30.251 less 10:00:00.250
    assert (run["provider"], run["evidence"]) == ("vercel", "observed")
    assert (run["started_at"], run["ended_at"]) == (
        utc("2026-08-03T10:00:00.250"),
        utc("2026-08-03T10:01:30.251"),
    )
    assert built.usage("plain") == Decimal("90.001")
    assert built.usage("plain", CPU) == Decimal("180.002")  # 2 x 90.001, not 8.123
    assert built.usage("plain", RAM) == Decimal("360.004")  # 4 GiB x 90.001
    assert built.usage("plain", DISK) == 0  # nothing is told of a disk
    assert run["dimensions"] == ('{"memory_mib":4096,"provider":"vercel","region":"iad1","vcpu":2}')
    assert built.issues("v-plain") == []


@written
def _life(world: World) -> None:
    world.account("lived")
    start, stop = "2026-08-04T09:00:00Z", "2026-08-04T09:10:00Z"
    pending = session("v-life", "lived", "pending", "2026-08-04T08:59:59Z")
    running = session("v-life", "lived", "running", "2026-08-04T09:00:01Z", start)
    stopped = session("v-life", "lived", "stopped", "2026-08-04T09:10:02Z", start, stop)
    world.write("vercel/sessions/life-1.json", page(pending))
    # In the wrong order, and some of it twice.
    world.write("vercel/sessions/life-2.ndjson", [stopped, running])
    world.write("vercel/sessions/life-3.json", page(running, stopped))


def test_the_state_with_the_latest_update_counts(built: World) -> None:
    """However often and in whatever order its states come, a session is billed once."""
    [run] = built.intervals("v-life")
    assert (run["seconds"], run["evidence"]) == (600, "observed")  # 09:00 to 09:10
    assert built.usage("lived") == 600
    assert built.dispositions("vercel/sessions/life-1.json") == {"superseded": 1}
    both = [built.dispositions(f"vercel/sessions/life-{name}") for name in ("2.ndjson", "3.json")]
    # Of the two stopped ones one bills and the other repeats it; the content of the file decides.
    assert sorted(map(sorted, both)) == [["billed", "superseded"], ["duplicate", "superseded"]]


@written
def _never_ran(world: World) -> None:
    world.account("idle")
    waiting = session("v-wait", "idle", "pending", "2026-08-05T10:00:00Z")
    failed = session("v-fail", "idle", "failed", "2026-08-05T10:00:09Z")
    gave_up = session(
        "v-gone",
        "idle",
        "aborted",
        "2026-08-05T11:00:00Z",
        abortedAt=milliseconds("2026-08-05T11:00:00Z"),
    )
    world.write("vercel/sessions/idle.json", page(waiting, failed, waiting, gave_up))


def test_what_never_started_is_not_billable(built: World) -> None:
    """Pending, failed or aborted before the start: seen, told, and nobody's cost."""
    assert [built.intervals(name) for name in ("v-wait", "v-fail", "v-gone")] == [[], [], []]
    assert built.usage("idle") == 0
    expected = {"not_billable": 3, "duplicate": 1}
    assert built.dispositions("vercel/sessions/idle.json") == expected


@written
def _running(world: World) -> None:
    world.account("awake")
    start = "2026-09-01T23:00:00Z"
    rows = [
        session(f"v-{status}", "awake", status, "2026-09-01T23:30:00Z", start)
        for status in ("running", "stopping", "snapshotting")
    ]
    world.write("vercel/sessions/awake.ndjson", rows)


def test_a_session_without_an_end_is_open_to_the_as_of(built: World) -> None:
    """It holds its machine until it has stopped: an hour each, from 23:00 to midnight."""
    for status in ("running", "stopping", "snapshotting"):
        [run] = built.intervals(f"v-{status}")
        assert (run["seconds"], run["evidence"]) == (3600, "open"), status
    assert built.usage("awake") == 3 * 3600


@written
def _broken_off(world: World) -> None:
    world.account("broken")
    start = "2026-08-06T10:00:00Z"

    def at(time: str) -> int:
        return milliseconds(f"2026-08-06T{time}Z")

    rows = [
        # Aborted at 10:05; what was stopped a minute later was no machine any more.
        session(
            "v-abort", "broken", "aborted", "2026-08-06T10:07:00Z", start, abortedAt=at("10:05:00")
        )
        | {"stoppedAt": at("10:06:00")},
        # Failed after 61.5 s, by its duration.
        session("v-lasted", "broken", "failed", "2026-08-06T10:07:00Z", start, duration=61_500),
        # Failed, and nothing says when: last heard of at 10:07.
        session("v-lost", "broken", "failed", "2026-08-06T10:07:00Z", start),
        session(
            "v-skew", "broken", "stopped", "2026-08-06T10:07:00Z", start, "2026-08-06T09:59:59Z"
        ),
    ]
    world.write("vercel/sessions/broken.ndjson", rows)


def test_how_the_end_is_known(built: World) -> None:
    """The earlier of abort and stop; else the duration; else, inferred, the last update."""
    found = {
        name: [(run["seconds"], run["evidence"]) for run in built.intervals(name)]
        for name in ("v-abort", "v-lasted", "v-lost", "v-skew")
    }
    assert found == {
        "v-abort": [(300, "observed")],
        "v-lasted": [(Decimal("61.5"), "observed")],
        "v-lost": [(420, "inferred")],
        "v-skew": [],
    }
    assert built.issues("v-lost") == ["end_missing"]
    assert built.issues("v-skew") == ["ends_before_start"]
    expected = {"billed": 3, "not_billable": 1}
    assert built.dispositions("vercel/sessions/broken.ndjson") == expected


@written
def _named(world: World) -> None:
    world.account("byname", links=False)
    world.link("vercel", "metadata:sourceSandboxName", "build-of-byname", "byname")
    world.account("byproject")
    at = ("2026-08-07T10:00:00Z", "2026-08-07T10:00:10Z")
    updated = "2026-08-07T10:00:11Z"
    shared = session("v-name", "byproject", "stopped", updated, *at)
    stranger = session("v-strange", "nobody", "stopped", updated, *at)
    nameless = session("v-bare", "byproject", "stopped", updated, *at)
    for key in ("projectId", "sourceSandboxName"):
        del nameless[key]
    # The same sandbox again, before its first session has ended: two machines.
    twin = session("v-twin", "byproject", "stopped", updated, *at)
    named = shared | {"sourceSandboxName": "build-of-byname"}
    world.write("vercel/sessions/named.json", page(named, stranger, nameless, twin))


def test_whose_a_session_is(built: World) -> None:
    """A link to the name of the sandbox beats one to the project; without either it is nobody's."""
    assert (built.usage("byname"), built.usage("byproject")) == (10, 10)
    owners = {name: built.intervals(name)[0]["account_id"] for name in ("v-strange", "v-bare")}
    assert owners == dict.fromkeys(owners, "unattributed")
    expected = {"billed": 2, "unattributed": 2}
    assert built.dispositions("vercel/sessions/named.json") == expected


@written
def _found_out(world: World) -> None:
    world.account("found")
    at = ("2026-08-08T10:00:00Z", "2026-08-08T10:00:10Z")
    told = session("v-found", "found", "stopped", "2026-08-08T10:00:12Z", *at)
    older = {key: value for key, value in told.items() if key != "projectId"}
    older["updatedAt"] = milliseconds("2026-08-08T10:00:11Z")
    world.write("vercel/sessions/found.ndjson", [older, told])


def test_a_project_that_is_told_later_does_not_make_a_second_session(built: World) -> None:
    assert [run["account_id"] for run in built.intervals("v-found")] == ["found"]
    expected = {"billed": 1, "superseded": 1}
    assert built.dispositions("vercel/sessions/found.ndjson") == expected


def test_every_session_has_one_disposition(built: World) -> None:
    """The rows of each file add up to its records, quarantined ones included."""
    wrong = built.query(
        """
        select loads.file, loads.records, sum(dispositions.rows) as rows
        from ops.loads as loads
        left join marts.fct_row_dispositions as dispositions using (content_sha256)
        where loads.source = 'vercel/sessions' group by all
        having loads.records is distinct from sum(dispositions.rows)
        """
    )
    assert wrong == []
    assert built.value("select count(*) from ops.loads where source = 'vercel/sessions'") == 9


def test_an_interval_source_has_the_columns_that_are_read(built: World) -> None:
    """Every staging folder of `interval_sources` gives the same columns of the same types."""
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    sources = project["vars"]["interval_sources"]
    warehouse = built.settings(utc(AS_OF)).warehouse_path
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for model in ("records", "set_aside", "intervals"):
            shapes = {
                source: con.execute(
                    "select column_name, data_type from information_schema.columns"
                    " where table_name = ? order by column_name",
                    [f"stg_{source}__{model}"],
                ).fetchall()
                for source in sources
            }
            assert shapes["vercel"]
            differing = [name for name in sources if shapes[name] != shapes["vercel"]]
            assert differing == [], (model, shapes)


# --- Any order, any batches -----------------------------------------------------------------


def make_states(random: Random) -> list[Row]:
    """States of some sessions, each as it would be at the time of its last update."""
    states = []
    for number in range(12):
        start = utc("2026-08-10T00:00:00Z") + timedelta(milliseconds=random.randrange(10**8))
        stop = start + timedelta(milliseconds=random.randrange(1, 10**7))
        name, account = f"r-{number}", random.choice(["left", "right"])
        states.append(session(name, account, "pending", start - timedelta(seconds=1)))
        states.append(session(name, account, "running", start + timedelta(milliseconds=1), start))
        if random.random() < 0.7:
            states.append(session(name, account, "stopped", stop + timedelta(1), start, stop))
    return [*states, *random.choices(states, k=10)]


def modelled(states: Sequence[Row], as_of: str) -> dict[str, Decimal]:
    """Seconds by session: the last state that is known, from its start to its stop or the as-of."""
    now = milliseconds(as_of)
    newest: dict[str, Row] = {}
    for state in states:
        before = newest.get(state["id"])
        if state["updatedAt"] <= now and (not before or before["updatedAt"] < state["updatedAt"]):
            newest[state["id"]] = state
    return {
        name: Decimal(min(state.get("stoppedAt", now), now) - state["startedAt"]) / 1000
        for name, state in newest.items()
        if "startedAt" in state
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_states_in_any_batches(new_world: Callable[[], World], seed: int) -> None:
    """Built bit by bit, in any order and with the clock between, it equals a full refresh."""
    random = Random(seed)
    states = make_states(random)
    random.shuffle(states)
    world = new_world()
    for account in ("left", "right"):
        world.account(account)
    clocks = ["2026-08-10T18:00:00Z", "2026-08-11T03:00:00Z", "2026-08-13T00:00:00Z"]
    for step, clock in enumerate(clocks):
        world.write(f"vercel/sessions/{step}.json", page(*states[step::3]))
        world.build(clock)
        came = [state for past in range(step + 1) for state in states[past::3]]
        told = world.query(
            "select sandbox_id, sum(seconds) as seconds from marts.fct_compute_intervals group by 1"
        )
        assert {row["sandbox_id"]: row["seconds"] for row in told} == modelled(came, clock)
    digests = world.digests()
    world.build(clocks[-1], full_refresh=True)
    assert world.digests() == digests
    billed = sum(modelled(states, clocks[-1]).values())
    assert world.usage("left") + world.usage("right") == billed
