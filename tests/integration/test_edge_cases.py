"""The hard cases of the sources that this version reads, each with its expected figure worked out.

All cases live in one landing zone, each with sandboxes and an account of its own, and are built
once, as of 2026-09-02. `@written` marks what a case puts there; the test below it says what
follows.

The cases that every provider's records hold, and the test of each, here unless another file is
named (`daytona`: `test_daytona.py`, `storage`: `test_storage.py`):

| case | expected | test |
|---|---|---|
| retry | once, both deliveries shown | `test_retry` |
| push and poll | once | `test_push_and_poll` |
| out of order | 300 s | `test_out_of_order` |
| no end | the last timeout, inferred | `test_no_end` |
| crash, then resume | capped by timeout or resume | `test_crash_then_resume` |
| checkpoint | 3600 s, flagged | `test_checkpoint` |
| truncated start | 10:00:00.5 | `test_truncated_start` |
| paused gap | no compute; Daytona: disk | `test_paused_gap`, daytona `test_paused_gap_disk` |
| abutting rows | as one row | `test_abutting_rows`, daytona `test_abutting` |
| archive twin | once, with its end | daytona `test_archive_twin` |
| warm pool | not billable, visible | daytona `test_warm_pool` |
| window polled again | 120 | daytona `test_repoll` |
| window clip | 1080 s of the hour | `test_window_clip` |
| off tier | quantity kept, unrated | `test_off_tier` |
| zones, clock changes | converted | `test_zones` |
| no zone | refused | `test_bad_records_are_quarantined`, daytona `test_odd_times_and_sizes` |
| skew | 0 and an issue | `test_skew` |
| overlap | once, and an issue | `test_overlap`, `test_overlapping_runs`, daytona `test_overlap` |
| partial listing | the sample refused | storage `test_partial_listing` |
| encoded key | decoded, project found | storage `test_url_encoded_key` |
| unit | 14400; with the decimal factor 13411.045 | daytona `test_unit`; dbt `..._decimal_factor` |
| late | a line of its own, no restatement | `test_late` |
| milliseconds or seconds | one instant, else refused | `test_milliseconds_or_seconds` |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from world import (
    MEASURES,
    START,
    Cases,
    World,
    capture,
    charge,
    e2b,
    interval,
    meters,
    plan,
    quantity,
    scale_event,
    session,
    utc,
    version,
)

pytestmark = pytest.mark.integration

AS_OF = "2026-09-02T00:00:00Z"
MICROSECOND = Decimal("0.000001")
HOUR = Decimal(3600)

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    world.meters = meters("pages")
    world.plans += [
        plan(
            "sized", version(START, [charge("four", "sandbox_seconds", where={"memory_mib": 4096})])
        ),
        plan(
            "repriced",
            version(START, [charge("seconds", "sandbox_seconds", "1")]),
            version("2026-08-07T13:37:11Z", [charge("seconds", "sandbox_seconds", "2")]),
        ),
        plan(
            "pair",
            version(
                START,
                [charge("seconds", "sandbox_seconds")],
                limits={"max_concurrent_sandboxes": 2},
            ),
        ),
        plan("paged", version(START, [charge("pages", "pages", "0.50")])),
    ]
    CASES.tell(world)
    world.build(AS_OF)
    return world


def test_each_case_of_the_table_has_its_test() -> None:
    """Every test that the table above names exists, in the file that it names."""
    named = re.findall(r"(daytona |storage |)`(test_[a-z_]+)`", __doc__ or "")
    assert len(named) >= 23
    files = {"": "edge_cases", "daytona ": "daytona", "storage ": "storage"}
    for file, name in named:
        text = Path(__file__).with_name(f"test_{files[file]}.py").read_text()
        assert f"def {name}(" in text, name


def times(row: dict[str, Any]) -> tuple[str, str]:
    """Start and end of an interval, as text."""
    return tuple(row[name].isoformat() for name in ("started_at", "ended_at"))


def hours(world: World, account: str, meter_id: str = "sandbox_seconds") -> dict[str, Decimal]:
    """The quantities of an account by hour."""
    rows = world.query(
        """
        select strftime(usage_hour, '%m-%dT%H') as hour, sum(quantity) as quantity
        from marts.fct_usage_hourly where account_id = ? and meter_id = ? group by 1 order by 1
        """,
        account,
        meter_id,
    )
    return {row["hour"]: row["quantity"] for row in rows}


def days(world: World, account: str, meter_id: str = "sandbox_seconds") -> dict[str, Decimal]:
    """The quantities of an account by day."""
    rows = world.query(
        """
        select strftime(usage_date, '%m-%d') as day, sum(quantity) as quantity
        from marts.fct_usage_daily where account_id = ? and meter_id = ? group by 1 order by 1
        """,
        account,
        meter_id,
    )
    return {row["day"]: row["quantity"] for row in rows}


# --- E2B: deliveries ------------------------------------------------------------------------


@written
def _retry(world: World) -> None:
    world.account("retry")
    start = e2b("created", "2026-08-03T10:00:00Z", "sb-retry", customer="retry")
    end = e2b("killed", "2026-08-03T10:05:00Z", "sb-retry", customer="retry", ran_ms=300_000)
    world.write(
        "e2b/retry.ndjson",
        [
            capture(start, "2026-08-03T10:00:01Z", "d-1"),
            capture(end, "2026-08-03T10:05:01Z", "d-2"),
            capture(end, "2026-08-03T10:05:11Z", "d-3"),
            capture(end, "2026-08-03T10:05:21Z", "d-4"),
        ],
    )


def test_retry(built: World) -> None:
    """A delivery that is retried under new delivery ids counts once and is shown as repeated."""
    # 10:00 to 10:05 = 300 s; 4 deliveries of 2 events.
    assert built.usage("retry") == 300
    assert built.dispositions("e2b/retry.ndjson") == {"billed": 2, "duplicate": 2}


CAMEL = {
    "event_data": "eventData",
    "sandbox_id": "sandboxId",
    "sandbox_execution_id": "sandboxExecutionId",
    "sandbox_template_id": "sandboxTemplateId",
    "sandbox_build_id": "sandboxBuildId",
    "sandbox_team_id": "sandboxTeamId",
}


@written
def _push_and_poll(world: World) -> None:
    world.account("polled")
    events = [
        e2b("created", "2026-08-03T10:00:00Z", "sb-polled", customer="polled"),
        e2b("killed", "2026-08-03T10:05:00Z", "sb-polled", customer="polled", ran_ms=300_000),
    ]
    pushed = [capture(event, "2026-08-03T10:06:00Z") for event in events]
    polled = [{CAMEL.get(key, key): value for key, value in event.items()} for event in events]
    world.write("e2b/pushed.ndjson", pushed)
    world.write("e2b/polled.json", polled)


def test_push_and_poll(built: World) -> None:
    """The same events pushed in snake_case and polled in camelCase count once."""
    assert built.usage("polled") == 300  # 10:00 to 10:05
    pushed, polled = built.dispositions("e2b/pushed.ndjson"), built.dispositions("e2b/polled.json")
    assert {key: pushed.get(key, 0) + polled.get(key, 0) for key in (*pushed, *polled)} == {
        "billed": 2,
        "duplicate": 2,
    }


@written
def _out_of_order(world: World) -> None:
    world.account("disorder")
    start = e2b("created", "2026-08-03T10:00:00Z", "sb-disorder", customer="disorder")
    end = e2b("killed", "2026-08-03T10:05:00Z", "sb-disorder", customer="disorder", ran_ms=300_000)
    world.write(
        "e2b/disorder.ndjson",
        [capture(end, "2026-08-03T10:05:01Z"), capture(start, "2026-08-03T10:05:09Z")],
    )


def test_out_of_order(built: World) -> None:
    """An end that is delivered before its start gives the run its true length."""
    assert built.usage("disorder") == 300  # 10:00 to 10:05
    assert [row["evidence"] for row in built.intervals("sb-disorder")] == ["observed"]


@written
def _wrong_shape(world: World) -> None:
    world.account("mixed")
    good = e2b("killed", "2026-08-03T10:05:00Z", "sb-mixed", customer="mixed", ran_ms=60_000)
    naive = e2b("killed", "2026-08-03T11:05:00", "sb-mixed", "run-2", ran_ms=60_000)
    world.write(
        "e2b/mixed.ndjson",
        "\n".join([json.dumps(good), json.dumps(naive), '{"id": "cut', json.dumps(["list"])]),
    )


def test_bad_records_are_quarantined(built: World) -> None:
    """A time without a zone and broken lines go to quarantine; the rest of the file loads."""
    assert built.usage("mixed") == 60
    assert built.dispositions("e2b/mixed.ndjson") == {"billed": 1, "quarantined": 3}
    found = [row for row in built.quarantine() if row["file"] == "e2b/mixed.ndjson"]
    assert [row["record_number"] for row in found] == [2, 3, 4]
    assert "zone" in found[0]["reason"]


# --- E2B: ends ------------------------------------------------------------------------------


@written
def _no_end(world: World) -> None:
    world.account("endless")
    world.write(
        "e2b/endless.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-endless", customer="endless"),
            e2b("updated", "2026-08-03T10:01:00Z", "sb-endless", timeout="2026-08-03T10:30:00Z"),
            e2b("updated", "2026-08-03T10:20:00Z", "sb-endless", timeout="2026-08-03T11:00:00Z"),
        ],
    )


def test_no_end(built: World) -> None:
    """A run without an end is closed by the last timeout that was set, and marked."""
    [run] = built.intervals("sb-endless")
    # The last update says 11:00: 10:00 to 11:00 = 3600 s, all of it inferred.
    assert times(run) == ("2026-08-03T10:00:00+00:00", "2026-08-03T11:00:00+00:00")
    assert (run["seconds"], run["evidence"]) == (3600, "inferred")
    assert "end_missing" in built.issues("sb-endless")
    inferred = built.value(
        "select sum(inferred_quantity) from marts.fct_usage_daily"
        " where account_id = 'endless' and meter_id = 'sandbox_seconds'"
    )
    assert inferred == 3600


@written
def _crash_then_resume(world: World) -> None:
    world.account("crash")
    world.write(
        "e2b/crash.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-crash", "a", customer="crash"),
            e2b("resumed", "2026-08-03T12:00:00Z", "sb-crash", "b", customer="crash"),
            e2b("killed", "2026-08-03T13:00:00Z", "sb-crash", "b", ran_ms=3_600_000),
            # The same, but the first run had a deadline before the second began.
            e2b("created", "2026-08-04T10:00:00Z", "sb-crash-2", "a", customer="crash"),
            e2b("updated", "2026-08-04T10:00:01Z", "sb-crash-2", "a", timeout="2026-08-04T11:00Z"),
            e2b("resumed", "2026-08-04T12:00:00Z", "sb-crash-2", "b", customer="crash"),
            e2b("killed", "2026-08-04T13:00:00Z", "sb-crash-2", "b", ran_ms=3_600_000),
        ],
    )


def test_crash_then_resume(built: World) -> None:
    """A run that a crash ended is closed by the next run of its sandbox, or an earlier timeout."""
    first, second = built.intervals("sb-crash")
    # 10:00 to 12:00 inferred = 7200 s; 12:00 to 13:00 observed = 3600 s.
    assert (first["seconds"], first["evidence"]) == (7200, "inferred")
    assert (second["seconds"], second["evidence"]) == (3600, "observed")
    first, second = built.intervals("sb-crash-2")
    # The timeout of 11:00 comes before the resume at 12:00: 3600 s and 3600 s.
    assert (first["seconds"], first["evidence"]) == (3600, "inferred")
    assert (second["seconds"], second["evidence"]) == (3600, "observed")


def test_size_of_a_crashed_run_is_that_of_its_sandbox(built: World) -> None:
    """A run without an end has the size that another run of its sandbox tells."""
    first, _ = built.intervals("sb-crash")
    assert (first["vcpu"], first["memory_mib"]) == (2, 512)


@written
def _checkpoint(world: World) -> None:
    world.account("checkpoint")
    world.write(
        "e2b/checkpoint.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-checkpoint", customer="checkpoint"),
            e2b("checkpointed", "2026-08-03T10:30:00Z", "sb-checkpoint"),
            e2b("killed", "2026-08-03T11:00:00Z", "sb-checkpoint", ran_ms=1_800_000),
        ],
    )


def test_checkpoint(built: World) -> None:
    """After a checkpoint the execution time covers only the tail and is not believed."""
    [run] = built.intervals("sb-checkpoint")
    assert (run["seconds"], run["evidence"]) == (3600, "observed")  # 10:00 to 11:00, not 1800
    assert built.issues("sb-checkpoint") == ["checkpointed"]


@written
def _truncated_start(world: World) -> None:
    world.account("truncated")
    world.write(
        "e2b/truncated.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00.7Z", "sb-truncated", customer="truncated"),
            e2b(
                "paused",
                "2026-08-03T10:10:00.9Z",
                "sb-truncated",
                customer="truncated",
                started_at="2026-08-03T10:00:00Z",
                ran_ms=600_400,
                vcpu=2,
                memory_mib=512,
            ),
        ],
    )


def test_truncated_start(built: World) -> None:
    """The start is the end less the execution time, not the start cut to whole seconds."""
    [run] = built.intervals("sb-truncated")
    assert run["started_at"] == utc("2026-08-03T10:00:00.5")  # 10:10:00.9 - 600.4 s
    assert built.usage("truncated") == Decimal("600.4")
    assert built.usage("truncated", "sandbox_cpu_core_seconds") == Decimal("1200.8")  # x 2
    assert built.usage("truncated", "sandbox_ram_gibi_seconds") == Decimal("300.2")  # x 0.5


@written
def _paused_gap(world: World) -> None:
    world.account("paused")
    world.write(
        "e2b/paused.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-paused", "a", customer="paused"),
            e2b("paused", "2026-08-03T10:10:00Z", "sb-paused", "a", ran_ms=600_000),
            e2b("resumed", "2026-08-03T11:00:00Z", "sb-paused", "b", customer="paused"),
            e2b("killed", "2026-08-03T11:05:00Z", "sb-paused", "b", ran_ms=300_000),
        ],
    )


def test_paused_gap(built: World) -> None:
    """Between pause and resume nothing counts, and E2B has no disk to bill."""
    assert [row["seconds"] for row in built.intervals("sb-paused")] == [600, 300]
    assert hours(built, "paused") == {"08-03T10": 600, "08-03T11": 300}
    assert built.usage("paused", "sandbox_ssd_gibi_seconds") == 0


@written
def _cap(world: World) -> None:
    world.account("cap")
    world.write(
        "e2b/cap.ndjson",
        [
            e2b("killed", "2026-08-09T10:00:00Z", "sb-sizer", ran_ms=1000, template="capped"),
            e2b("created", "2026-08-10T10:00:00.25Z", "sb-cap", customer="cap", template="capped"),
        ],
    )


def test_a_run_without_any_end_stops_after_24_hours(built: World) -> None:
    """Nothing closes the run, so the longest session does, and says so."""
    [run] = built.intervals("sb-cap")
    assert run["ended_at"] == utc("2026-08-11T10:00:00.25")
    assert (run["seconds"], run["evidence"]) == (86_400, "clamped")


def test_size_from_the_same_template(built: World) -> None:
    """Without another run of the sandbox the last ended run of its template tells the size."""
    [run] = built.intervals("sb-cap")
    assert (run["vcpu"], run["memory_mib"]) == (2, 512)  # as sb-sizer, which ended the day before
    # 86400 s x 0.5 GiB, all of it inferred.
    assert built.usage("cap", "sandbox_ram_gibi_seconds") == 43_200


@written
def _unknown_size(world: World) -> None:
    world.account("sizeless")
    world.write(
        "e2b/sizeless.ndjson",
        [
            e2b("created", "2026-08-10T10:00:00Z", "sb-sizeless", "a", customer="sizeless",
                template="never-ended"),
            e2b("killed", "2026-08-10T10:20:00Z", "sb-sizeless", "a", customer="sizeless",
                template="never-ended"),
        ],
    )  # fmt: skip


def test_unknown_size(built: World) -> None:
    """A run whose size nobody tells has its seconds and nothing else."""
    [run] = built.intervals("sb-sizeless")
    assert (run["seconds"], run["vcpu"], run["memory_mib"]) == (1200, None, None)
    assert "size_unknown" in built.issues("sb-sizeless")
    measured = built.query(
        "select distinct meter_id from marts.fct_usage_daily where account_id = 'sizeless'"
    )
    assert [row["meter_id"] for row in measured] == ["sandbox_seconds"]


@written
def _second_end(world: World) -> None:
    world.account("twice")
    world.write(
        "e2b/twice.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-twice", customer="twice"),
            e2b("killed", "2026-08-03T10:10:00Z", "sb-twice", customer="twice", ran_ms=600_000),
            e2b("killed", "2026-08-03T10:40:00Z", "sb-twice", customer="twice", ran_ms=2_400_000),
        ],
    )


def test_second_end_is_ignored(built: World) -> None:
    """An orphaned kill after the end changes no quantity and is not billable."""
    assert [row["seconds"] for row in built.intervals("sb-twice")] == [600]
    assert built.dispositions("e2b/twice.ndjson") == {"billed": 2, "not_billable": 1}


@written
def _zero_execution_time(world: World) -> None:
    world.account("zero")
    world.write(
        "e2b/zero.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-zero", customer="zero"),
            e2b("killed", "2026-08-03T10:00:00.4Z", "sb-zero", customer="zero", ran_ms=0),
        ],
    )


def test_zero_execution_time(built: World) -> None:
    """A run of no time is legal: it bills nothing and its records are accounted for."""
    assert built.intervals("sb-zero") == []
    assert built.usage("zero") == 0
    assert built.dispositions("e2b/zero.ndjson") == {"not_billable": 2}


@written
def _skew(world: World) -> None:
    world.account("skew")
    world.write(
        "e2b/skew.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00.080Z", "sb-skew", customer="skew"),
            e2b("killed", "2026-08-03T10:00:00.000Z", "sb-skew", customer="skew"),
        ],
    )
    world.write(
        "opencomputer/scale_events/skew.ndjson",
        [scale_event("se-skew", "skew", "oc-skew", "2026-08-03T10:00:00.08Z", "2026-08-03T10:00Z")],
    )


def test_skew(built: World) -> None:
    """An end 80 ms before its start is nothing, of either source, and is reported."""
    assert built.usage("skew") == 0
    assert "ends_before_start" in built.issues("sb-skew")
    assert "ends_before_start" in built.issues("oc-skew")
    assert built.dispositions("e2b/skew.ndjson") == {"not_billable": 2}
    assert built.dispositions("opencomputer/scale_events/skew.ndjson") == {"not_billable": 1}


@written
def _overlapping_runs(world: World) -> None:
    world.account("lapped")
    world.write(
        "e2b/lapped.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-lapped", "a", customer="lapped"),
            e2b("killed", "2026-08-03T10:30:00Z", "sb-lapped", "a", ran_ms=1_800_000),
            e2b("resumed", "2026-08-03T10:20:00Z", "sb-lapped", "b", customer="lapped"),
            e2b("killed", "2026-08-03T10:50:00Z", "sb-lapped", "b", ran_ms=1_800_000),
        ],
    )


def test_overlapping_runs(built: World) -> None:
    """Of two runs of one sandbox that overlap the earlier ends where the later begins."""
    first, second = built.intervals("sb-lapped")
    # 10:00 to 10:20 = 1200 s, cut; 10:20 to 10:50 = 1800 s. Not 3600 s.
    assert (first["seconds"], first["evidence"]) == (1200, "clamped")
    assert (second["seconds"], second["evidence"]) == (1800, "observed")
    assert "overlaps_next_run" in built.issues("sb-lapped")


# --- E2B: shapes ----------------------------------------------------------------------------


def legacy(label: str, at: str, sandbox: str, customer: str) -> dict[str, Any]:
    """An event from before October 2025: neither id nor type."""
    return {
        "event_category": "lifecycle",
        "event_label": label,
        "event_data": {"sandbox_metadata": {"customer": customer}},
        "timestamp": at,
        "sandbox_id": sandbox,
        "sandbox_execution_id": f"{sandbox}-run",
        "sandbox_template_id": "base",
        "sandbox_team_id": "team-1",
    }


@written
def _legacy(world: World) -> None:
    world.account("legacy")
    events = [
        legacy("create", "2026-08-03T10:00:00Z", "sb-legacy", "legacy"),
        legacy("kill", "2026-08-03T10:05:00Z", "sb-legacy", "legacy"),
    ]
    world.write("e2b/legacy.ndjson", events)
    world.write("e2b/legacy-again.json", events)


def test_legacy_events(built: World) -> None:
    """Events without id and type are understood, and recognised when they come again."""
    assert built.usage("legacy") == 300  # 10:00 to 10:05
    once, again = (
        built.dispositions(f"e2b/{name}") for name in ("legacy.ndjson", "legacy-again.json")
    )
    assert sorted([*once.items(), *again.items()]) == [("billed", 2), ("duplicate", 2)]


@written
def _without_execution_ids(world: World) -> None:
    world.account("anonymous")
    events = [
        e2b("created", "2026-08-03T10:00:00Z", "sb-anonymous", "", customer="anonymous"),
        e2b("paused", "2026-08-03T10:05:00Z", "sb-anonymous", "", customer="anonymous"),
        e2b("resumed", "2026-08-03T11:00:00Z", "sb-anonymous", "", customer="anonymous"),
        e2b("killed", "2026-08-03T11:10:00Z", "sb-anonymous", "", customer="anonymous"),
    ]
    for event in events:
        del event["sandbox_execution_id"]
    world.write("e2b/anonymous.ndjson", events)


def test_events_without_execution_ids(built: World) -> None:
    """A start opens a new run where no event names one."""
    # 10:00 to 10:05 and 11:00 to 11:10.
    assert [row["seconds"] for row in built.intervals("sb-anonymous")] == [300, 600]


def teamless() -> list[dict[str, Any]]:
    """A start, an end, the same end again, and a second end, none of which names a team."""
    events = [
        e2b("created", "2026-08-03T10:00:00Z", "sb-teamless", customer="teamless"),
        e2b("killed", "2026-08-03T10:05:00Z", "sb-teamless", customer="teamless", ran_ms=300_000),
        e2b("killed", "2026-08-03T10:05:00Z", "sb-teamless", customer="teamless", ran_ms=300_000),
        e2b("killed", "2026-08-03T10:45:00Z", "sb-teamless", customer="teamless", ran_ms=2_700_000),
    ]
    for event in events:
        del event["sandbox_team_id"]
    return events


@written
def _without_teams(world: World) -> None:
    world.account("teamless")
    world.write("e2b/teamless.ndjson", teamless())


def test_events_without_a_team(built: World) -> None:
    """Events that name no team follow the same rules: repetitions and second ends do not count."""
    assert built.usage("teamless") == 300  # 10:00 to 10:05
    assert built.dispositions("e2b/teamless.ndjson") == {
        "billed": 2,
        "duplicate": 1,
        "not_billable": 1,
    }


def test_events_without_a_team_that_arrive_later(world: World) -> None:
    """They are also seen by a build that only looks at what is new."""
    world.account("teamless")
    world.build("2026-08-03T09:00:00Z")
    world.write("e2b/teamless.ndjson", teamless())
    world.build("2026-08-04T00:00:00Z")
    assert world.usage("teamless") == 300


@written
def _table_dump(world: World) -> None:
    world.account("dumped")
    shared = {
        "sandbox_id": "sb-dumped",
        "sandbox_execution_id": "run-1",
        "sandbox_template_id": "base",
        "sandbox_build_id": "",
        "sandbox_team_id": "team-1",
        "event_category": "lifecycle",
        "version": "v2",
        "events_ttl_days": "7",
    }
    ended = {
        "sandbox_metadata": {"customer": "dumped"},
        "execution": {
            "started_at": "2026-08-03T10:00:00Z",
            "vcpu_count": 1,
            "memory_mb": 1024,
            "execution_time": 90_000,
        },
    }
    world.write(
        "e2b/dumped.csv",
        [
            shared
            | {
                "id": "dump-1",
                "timestamp": "2026-08-03 10:00:00.000000001",
                "event_label": "create",
                "type": "sandbox.lifecycle.created",
                "event_data": "null",
            },
            shared
            | {
                "id": "dump-2",
                "timestamp": "2026-08-03 10:01:30.500000000",
                "event_label": "kill",
                "type": "sandbox.lifecycle.killed",
                "event_data": json.dumps(ended),
            },
        ],
    )


def test_table_dump(built: World) -> None:
    """A table dump's times are UTC, and its event data is JSON text that may be `null`."""
    [run] = built.intervals("sb-dumped")
    # 10:01:30.5 less 90 s.
    assert times(run) == ("2026-08-03T10:00:00.500000+00:00", "2026-08-03T10:01:30.500000+00:00")
    assert built.dispositions("e2b/dumped.csv") == {"billed": 2}


@written
def _zones(world: World) -> None:
    world.account("zones")
    world.write(
        "e2b/zones.ndjson",
        [
            e2b("created", "2026-08-03T12:00:00+02:00", "sb-zones", customer="zones"),
            e2b(
                "killed", "2026-08-03T15:35:00+05:30", "sb-zones", customer="zones", ran_ms=300_000
            ),
        ],
    )
    # The night in which Berlin skips from 02:00 to 03:00.
    world.write(
        "intervals/zones.csv",
        [interval("i-zones", "zones", "r-zones", "2026-03-29T01:30:00+01:00",
                  "2026-03-29T03:30:00+02:00")],
    )  # fmt: skip


def test_zones(built: World) -> None:
    """Times with an offset are the instants they name, also across a change of the clocks."""
    # 12:00+02:00 = 10:00Z and 15:35+05:30 = 10:05Z.
    [run] = built.intervals("sb-zones")
    assert times(run) == ("2026-08-03T10:00:00+00:00", "2026-08-03T10:05:00+00:00")
    # 00:30Z to 01:30Z: one hour, although the wall clock shows two.
    assert built.seconds("r-zones") == HOUR


# --- OpenComputer ---------------------------------------------------------------------------


@written
def _window_clip(world: World) -> None:
    world.account("clip")
    world.write(
        "opencomputer/scale_events/clip.ndjson",
        [scale_event("se-clip", "clip", "oc-clip", "2026-08-03T16:42:00Z", "2026-08-03T17:14:00Z")],
    )


def test_window_clip(built: World) -> None:
    """An hour holds the part of a scale event that lies in it, not all of it."""
    # 16:42 to 17:00 = 18 min = 1080 s; 17:00 to 17:14 = 840 s.
    assert hours(built, "clip") == {"08-03T16": 1080, "08-03T17": 840}
    # 20 GiB of disk unless the row says otherwise.
    assert hours(built, "clip", "sandbox_ssd_gibi_seconds") == {
        "08-03T16": 21_600,
        "08-03T17": 16_800,
    }


@written
def _off_tier(world: World) -> None:
    world.account("offtier", plan_id="sized")
    at = ("2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
    world.write(
        "opencomputer/scale_events/offtier.ndjson",
        [
            scale_event("se-off", "offtier", "oc-off", *at, memory_mib=2048),
            scale_event("se-on", "offtier", "oc-on", *at, memory_mib=4096),
        ],
    )


def test_off_tier(built: World) -> None:
    """A size that no charge names keeps its quantity and is reported as unrated, not lost."""
    assert built.usage("offtier") == 7200
    [line] = built.lines("offtier", charge_class="usage")
    assert (line["charge_key"], line["quantity"], line["amount_minor"]) == ("four", 3600, 3600)
    [unrated] = built.query("select * from marts.fct_unrated_usage where account_id = 'offtier'")
    assert unrated["quantity"] == 3600
    assert '"memory_mib":2048' in unrated["dimensions"]
    assert "size_outside_tiers" in built.issues("oc-off")


@written
def _cpu_percent(world: World) -> None:
    world.account("tiers")
    at = ("2026-08-03T10:00:00Z", "2026-08-03T10:00:10Z")
    world.write(
        "opencomputer/scale_events/tiers.ndjson",
        [
            scale_event("se-400", "tiers", "oc-400", *at, memory_mib=4096, cpu_percent=400),
            scale_event("se-16", "tiers", "oc-16", *at, memory_mib=16384, cpu_percent=100),
        ],
    )


def test_vcpu_comes_from_the_tier(built: World) -> None:
    """The writers of `cpu_percent` disagree, so the tier decides and the difference is reported."""
    assert [row["vcpu"] for row in built.intervals("oc-400")] == [1]
    assert [row["vcpu"] for row in built.intervals("oc-16")] == [4]
    # 10 s x 1 core + 10 s x 4 cores.
    assert built.usage("tiers", "sandbox_cpu_core_seconds") == 50
    assert built.issues("oc-400") == ["vcpu_disagrees_with_tier"]


@written
def _overlapping_rows(world: World) -> None:
    world.account("rows")
    world.write(
        "opencomputer/scale_events/rows.ndjson",
        [
            scale_event("se-a", "rows", "oc-rows", "2026-09-01T10:00:00Z", None, memory_mib=4096),
            scale_event("se-b", "rows", "oc-rows", "2026-09-01T10:30:00Z", None, memory_mib=8192),
        ],
    )


def test_overlap(built: World) -> None:
    """Two open rows of one sandbox are counted one after the other, the last until the as-of."""
    first, last = built.intervals("oc-rows")
    # 10:00 to 10:30 = 1800 s; 10:30 to the as-of at midnight = 13.5 h = 48600 s.
    assert (first["memory_mib"], first["seconds"], first["evidence"]) == (4096, 1800, "clamped")
    assert (last["memory_mib"], last["seconds"], last["evidence"]) == (8192, 48_600, "open")
    assert last["ended_at"] == utc(AS_OF)
    assert "overlaps_next_run" in built.issues("oc-rows")


@written
def _same_sandbox_of_two_organisations(world: World) -> None:
    for name in ("org1", "org2"):
        world.account(name)
    at = ("2026-08-03T10:00:00Z", "2026-08-03T10:10:00Z")
    world.write(
        "opencomputer/scale_events/orgs.ndjson",
        [
            scale_event("se-1", "org1", "oc-shared", *at),
            scale_event("se-2", "org2", "oc-shared", *at),
        ],
    )


def test_sandbox_ids_are_not_unique_across_organisations(built: World) -> None:
    """Two organisations may use one sandbox id at once: neither cuts the other's time."""
    assert (built.usage("org1"), built.usage("org2")) == (600, 600)


# --- Provider-neutral intervals and quantities ----------------------------------------------


@written
def _abutting(world: World) -> None:
    for name in ("split", "whole"):
        world.account(name)
    edges = [
        "2026-08-03T09:00:00.120000Z",
        "2026-08-04T09:00:00.120000Z",
        "2026-08-05T09:00:00.120000Z",
        "2026-08-05T18:30:00.000001Z",
    ]
    pieces = pairwise(edges)
    world.write(
        "intervals/abutting.csv",
        [
            *(
                interval(f"piece-{number}", "split", "r-split", *piece)
                for number, piece in enumerate(pieces)
            ),
            interval("whole", "whole", "r-whole", edges[0], edges[-1]),
        ],
    )


def test_abutting_rows(built: World) -> None:
    """A long run told in rows that touch equals the same run told in one, to the microsecond."""
    # 2 d 9 h 29 min 59.880001 s.
    assert built.usage("whole") == 2 * 86_400 + 9 * 3600 + 29 * 60 + Decimal("59.880001")
    for meter in MEASURES:
        assert hours(built, "split", meter) == hours(built, "whole", meter)
    assert _stretches(built, "split") == _stretches(built, "whole")


def _stretches(world: World, account: str) -> list[tuple[Any, ...]]:
    rows = world.query(
        "select * from marts.fct_concurrency where account_id = ? order by started_at", account
    )
    return [(row["started_at"], row["ended_at"], row["running_sandboxes"]) for row in rows]


@written
def _fractions(world: World) -> None:
    world.account("fractions")
    world.write(
        "intervals/fractions.csv",
        [
            interval("f-1", "fractions", "r-gpu", "2026-08-03T10:00:00Z",
                     "2026-08-03T10:00:00.000001Z", vcpu="0.5", memory_mib=1, disk_mib=3,
                     gpu="0.25"),
            interval("f-2", "fractions", "r-gpu", "2026-08-03T11:00:00Z", "2026-08-03T11:00:03Z",
                     vcpu="0.333333", memory_mib=1536, disk_mib="", gpu="2"),
        ],
    )  # fmt: skip


def test_gpu_and_fractions_of_a_core(built: World) -> None:
    """Every measure is exact, down to one MiB for one microsecond."""
    # 0.000001 s x 0.5 + 3 s x 0.333333.
    assert built.usage("fractions", "sandbox_cpu_core_seconds") == Decimal("0.9999995")
    # 0.000001 s x 1/1024 GiB + 3 s x 1.5 GiB.
    assert built.usage("fractions", "sandbox_ram_gibi_seconds") == Decimal("4.5000000009765625")
    # 0.000001 s x 3/1024 GiB; the second row does not tell its disk.
    assert built.usage("fractions", "sandbox_ssd_gibi_seconds") == Decimal("0.0000000029296875")
    # 0.000001 s x 0.25 + 3 s x 2.
    assert built.usage("fractions", "sandbox_gpu_core_seconds") == Decimal("6.00000025")
    dimensions = built.query(
        "select distinct dimensions from marts.fct_compute_intervals"
        " where sandbox_id = 'r-gpu' order by 1"
    )
    assert [row["dimensions"] for row in dimensions] == [
        '{"disk_mib":3,"gpu":0.25,"memory_mib":1,"provider":"foundry","vcpu":0.5}',
        '{"gpu":2,"memory_mib":1536,"provider":"foundry","vcpu":0.333333}',
    ]


@written
def _restated_rows(world: World) -> None:
    world.account("restated")
    still_open = interval("r-1", "restated", "r-restated", "2026-08-03T10:00:00Z", None)
    closed = interval(
        "r-1", "restated", "r-restated", "2026-08-03T10:00:00Z", "2026-08-03T10:30:00Z"
    )
    other = interval("r-2", "restated", "r-other", "2026-08-03T10:00:00Z", "2026-08-03T10:01:00Z")
    world.write("intervals/restated-2.csv", [still_open])
    world.write("intervals/restated-1.csv", [closed, other])
    world.write("intervals/restated-3.ndjson", [closed | {"gpu": None}])


def test_superseded_and_repeated_rows(built: World) -> None:
    """The newest state of a row counts; an older one is superseded, an equal one a repetition."""
    assert built.seconds("r-restated") == 1800  # 10:00 to 10:30, not to the as-of
    assert built.dispositions("intervals/restated-2.csv") == {"superseded": 1}
    closed = [
        built.dispositions(f"intervals/{name}") for name in ("restated-1.csv", "restated-3.ndjson")
    ]
    assert sum(each.get("billed", 0) for each in closed) == 2
    assert sum(each.get("duplicate", 0) for each in closed) == 1


@written
def _hours_and_days(world: World) -> None:
    world.account("midnight")
    world.write(
        "intervals/midnight.csv",
        [interval("m-1", "midnight", "r-midnight", "2026-08-03T23:30:00Z", "2026-08-04T01:15:00Z")],
    )


def test_hours_and_days(built: World) -> None:
    """Usage lies in the hours and days in which it happened."""
    # 30 min, 60 min and 15 min; 1800 s before midnight and 4500 s after.
    assert hours(built, "midnight") == {"08-03T23": 1800, "08-04T00": 3600, "08-04T01": 900}
    assert days(built, "midnight") == {"08-03": 1800, "08-04": 4500}
    # 10 GiB of disk.
    assert days(built, "midnight", "sandbox_ssd_gibi_seconds") == {"08-03": 18_000, "08-04": 45_000}


@written
def _quantities(world: World) -> None:
    world.account("reader", plan_id="paged")
    first = quantity("q-1", "reader", "pages", "10.5", "2026-08-03T10:30Z", "2026-08-03T11:30Z")
    world.write(
        "quantities/pages.csv",
        [
            first | {"size": "a4"},
            quantity(
                "q-2", "reader", "pages", "2", "2026-07-31T23:59:59.999999Z", "2026-08-01T01:00Z"
            )
            | {"size": "a4"},
            quantity("q-3", "reader", "unheard_of", "7", "2026-08-03T10:30Z", "2026-08-03T11:30Z")
            | {"size": "a4"},
            quantity("q-4", "nobody", "pages", "4", "2026-08-03T10:30Z", "2026-08-03T11:30Z")
            | {"size": "a4"},
        ],
    )
    world.write("quantities/pages-again.csv", [first | {"size": "a4"}])


def test_a_measured_amount_belongs_to_the_instant_it_started(built: World) -> None:
    """A quantity is not split: not over hours, not over months."""
    assert hours(built, "reader", "pages") == {"07-31T23": 2, "08-03T10": Decimal("10.5")}
    lines = built.lines("reader", charge_class="usage")
    # July: 2 x 0.50 = 1.00; August: 10.5 x 0.50 = 5.25.
    assert [(line["statement_period"], line["amount_minor"]) for line in lines] == [
        ("2026-07", 100),
        ("2026-08", 525),
    ]


def test_dispositions_of_quantities(built: World) -> None:
    """Rows of an unknown meter, of nobody and told again are accounted for as what they are."""
    files = [built.dispositions(f"quantities/{name}.csv") for name in ("pages", "pages-again")]
    total = {key: sum(each.get(key, 0) for each in files) for each in files for key in each}
    assert total == {"billed": 2, "not_billable": 1, "unattributed": 1, "duplicate": 1}


# --- Accounts -------------------------------------------------------------------------------


@written
def _nobody(world: World) -> None:
    world.write(
        "e2b/nobody.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-nobody", customer="who-is-this"),
            e2b(
                "killed",
                "2026-08-03T10:10:00Z",
                "sb-nobody",
                customer="who-is-this",
                ran_ms=600_000,
            ),
        ],
    )


def test_unattributed_usage_is_kept_and_not_charged(built: World) -> None:
    """Usage of nobody stays visible under `unattributed` and appears on no statement."""
    [run] = built.intervals("sb-nobody")
    assert (run["account_id"], run["seconds"]) == ("unattributed", 600)
    assert hours(built, "unattributed")["08-03T10"] >= 600
    assert built.lines("unattributed") == []
    assert (
        built.value("select count(*) from marts.fct_statements where account_id = 'unattributed'")
        == 0
    )
    assert built.dispositions("e2b/nobody.ndjson") == {"unattributed": 2}


def test_a_link_to_an_unknown_account_attributes_nothing(world: World) -> None:
    """Usage whose link names an account that does not exist resolves to no account."""
    world.account("known")
    world.link("e2b", "metadata:customer", "ghost", "no-such-account")
    event = e2b("killed", "2026-08-03T10:05:00Z", "sb-ghost", customer="ghost", ran_ms=300_000)
    world.write("e2b/ghost.ndjson", [event])
    world.build("2026-08-04T00:00:00Z")
    [run] = world.intervals("sb-ghost")
    assert (run["account_id"], run["seconds"]) == ("unattributed", 300)


def test_ids_may_hold_any_character(world: World) -> None:
    """Ids are other people's text: no character in them makes two runs look like one."""
    world.account("texts")
    at = "2026-08-03T10:05:00Z"
    world.write(
        "e2b/texts.ndjson",
        [
            e2b("killed", at, "s|1", "2", customer="texts", event_id="a", ran_ms=60_000),
            e2b("killed", at, "s", "1|2", customer="texts", event_id="b", ran_ms=60_000),
            e2b("killed", at, "s'\"\\%", "é 東", customer="texts", event_id="c", ran_ms=60_000),
        ],
    )
    world.build("2026-08-04T00:00:00Z")
    assert world.usage("texts") == 180
    assert world.value("select count(distinct interval_id) from marts.fct_compute_intervals") == 3


@written
def _moved(world: World) -> None:
    world.account("seller", links=False)
    world.account("buyer", links=False)
    moved_at = "2026-08-05T10:30:00.000001Z"
    world.link("e2b", "metadata:customer", "moved", "seller", end=moved_at)
    world.link("e2b", "metadata:customer", "moved", "buyer", start=moved_at)
    world.write(
        "e2b/moved.ndjson",
        [
            e2b("created", "2026-08-05T10:00:00Z", "sb-moved", customer="moved"),
            e2b("killed", "2026-08-05T11:00:00Z", "sb-moved", customer="moved", ran_ms=3_600_000),
        ],
    )


def test_a_link_that_ends_splits_a_run(built: World) -> None:
    """A run belongs to each account for the time in which its link was valid."""
    # 10:00 to 10:30:00.000001, and the rest of the hour.
    assert built.usage("seller") == 1800 + MICROSECOND
    assert built.usage("buyer") == 1800 - MICROSECOND
    assert built.dispositions("e2b/moved.ndjson") == {"billed": 2}


@written
def _precedence(world: World) -> None:
    world.account("by-team", links=False)
    world.account("by-key", links=False)
    world.link("e2b", "account", "team-7", "by-team")
    world.link("e2b", "metadata:customer", "precise", "by-key")
    at = "2026-08-05T10:00:00Z"
    world.write(
        "e2b/precedence.ndjson",
        [
            e2b("killed", at, "sb-p1", customer="precise", team="team-7", ran_ms=10_000),
            e2b("killed", at, "sb-p2", customer="other", team="team-7", ran_ms=20_000),
            e2b("killed", at, "sb-p3", team="team-7", ran_ms=40_000),
        ],
    )


def test_metadata_precedes_the_providers_account(built: World) -> None:
    """A link of a metadata key beats the link of the team; what it does not match, the team has."""
    assert (built.usage("by-key"), built.usage("by-team")) == (10, 60)


@written
def _planless(world: World) -> None:
    world.account("planless", plan_id=None)
    world.write(
        "intervals/planless.csv",
        [interval("p-1", "planless", "r-planless", "2026-08-03T10:00Z", "2026-08-03T11:00Z")],
    )


def test_usage_without_a_plan_is_measured_and_not_charged(built: World) -> None:
    """An account without a subscription has usage, no statement, and rows that are not billable."""
    assert built.usage("planless") == HOUR
    assert built.lines("planless") == []
    assert built.dispositions("intervals/planless.csv") == {"not_billable": 1}


# --- Billing periods ------------------------------------------------------------------------


@written
def _month_ends(world: World) -> None:
    world.account("kolkata", timezone="Asia/Kolkata")
    world.account("pacific", timezone="America/Los_Angeles")
    world.account("berlin", timezone="Europe/Berlin", started_at="2026-02-28T23:00:00Z")
    world.write(
        "intervals/month_ends.csv",
        [
            # Midnight of 1 August: 18:30 UTC the day before, and 07:00 UTC.
            interval("k", "kolkata", "r-kolkata", "2026-07-31T18:29:59.999999Z",
                     "2026-07-31T18:30:00.000003Z"),
            interval("p", "pacific", "r-pacific", "2026-08-01T06:59:59.999999Z",
                     "2026-08-01T07:00:00.000003Z"),
            # All of March in Berlin, in which the clocks go forward, and a second on each side.
            interval("b", "berlin", "r-berlin", "2026-02-28T22:59:59Z", "2026-03-31T22:00:01Z"),
        ],
    )  # fmt: skip


@pytest.mark.parametrize("account", ["kolkata", "pacific"])
def test_months_are_the_accounts_own(built: World, account: str) -> None:
    """Usage across a local midnight is split between the months to the microsecond."""
    lines = built.lines(account, charge_key="sandbox_seconds")
    assert [(line["statement_period"], line["quantity"]) for line in lines] == [
        ("2026-07", 1 * MICROSECOND),
        ("2026-08", 3 * MICROSECOND),
    ]


def test_a_month_with_a_change_of_the_clocks(built: World) -> None:
    """March has an hour less in Berlin; what lies before the subscription is not charged."""
    lines = built.lines("berlin", charge_key="sandbox_seconds")
    # 31 d less 1 h = 2674800 s; then 1 s of April. The second of February has no plan.
    assert [(line["statement_period"], line["quantity"]) for line in lines] == [
        ("2026-03", 31 * 86_400 - 3600),
        ("2026-04", 1),
    ]
    assert built.usage("berlin") == 31 * 86_400 - 3600 + 2


@written
def _anchors(world: World) -> None:
    for name, anchor in (
        ("anchor-date", "2026-01-31"),
        ("anchor-day", "31"),
        ("anchor-time", "2026-01-31T10:00:00Z"),
    ):
        world.account(name, started_at="2026-01-31T10:00:00Z", anchor=anchor)
        world.write(
            f"intervals/{name}.csv",
            [interval(name, name, f"r-{name}", "2026-02-28T09:59:00Z", "2026-02-28T10:01:00Z")],
        )


@pytest.mark.parametrize("account", ["anchor-date", "anchor-day", "anchor-time"])
def test_periods_anchored_on_the_31st(built: World, account: str) -> None:
    """Periods begin on the last day of shorter months and on the 31st again where there is one."""
    starts = built.query(
        "select period_start from marts.fct_statements where account_id = ? order by 1", account
    )
    assert [f"{row['period_start']:%m-%d}" for row in starts] == [
        "01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31",
    ]  # fmt: skip


def test_an_anchor_with_a_time_of_day(built: World) -> None:
    """A period that begins at 10:00 splits what runs across it there."""
    lines = built.lines("anchor-time", charge_key="sandbox_seconds")
    assert [line["quantity"] for line in lines] == [60, 60]
    assert next(line["period_end"] for line in lines) == utc("2026-02-28T10:00:00")


@written
def _prices(world: World) -> None:
    world.account("repriced", plan_id="repriced")
    world.account("switch", plan_id=None)
    switched_at = "2026-08-08T08:08:08.888888Z"
    world.subscribe("switch", "payg", START, switched_at)
    world.subscribe("switch", "repriced", switched_at)
    world.write(
        "intervals/prices.csv",
        [
            interval("v", "repriced", "r-repriced", "2026-08-07T13:37:10.999999Z",
                     "2026-08-07T13:37:11.000002Z"),
            interval("s", "switch", "r-switch", "2026-08-08T08:08:08.888887Z",
                     "2026-08-08T08:08:08.888890Z"),
        ],
    )  # fmt: skip


def test_a_price_change_splits_a_run(built: World) -> None:
    """Each microsecond has the price that was in force then."""
    lines = built.lines("repriced", charge_class="usage")
    # 1 us at 1 a second, 2 us at 2 a second.
    assert [(line["plan_version"], line["quantity"], line["amount"]) for line in lines] == [
        ("2026-01-01T00:00:00Z", 1 * MICROSECOND, 1 * MICROSECOND),
        ("2026-08-07T13:37:11Z", 2 * MICROSECOND, 4 * MICROSECOND),
    ]


def test_a_change_of_plan_splits_a_run(built: World) -> None:
    """The microsecond before a switch is rated by the old plan, the two after it by the new."""
    lines = built.lines("switch", meter_id="sandbox_seconds")
    found = {line["subscription_id"]: (line["quantity"], line["amount"]) for line in lines}
    assert found == {
        "sub-switch-1": (1 * MICROSECOND, Decimal("0.00000001")),  # x 0.01
        "sub-switch-2": (2 * MICROSECOND, 4 * MICROSECOND),  # x 2
    }


# --- Concurrency ----------------------------------------------------------------------------


@written
def _concurrency(world: World) -> None:
    world.account("crowd", plan_id="pair")
    times_of = {
        "a": ("10:00", "11:00"),
        "b": ("10:00", "11:00"),
        "c": ("11:00", "12:00"),
        "d": ("11:00", "12:00"),
        "e": ("11:30", "11:31"),
    }
    world.write(
        "intervals/crowd.csv",
        [
            interval(name, "crowd", f"r-{name}", f"2026-08-03T{start}:00Z", f"2026-08-03T{end}:00Z")
            for name, (start, end) in times_of.items()
        ],
    )


def test_concurrency(built: World) -> None:
    """Sandboxes that follow each other do not overlap; only the third at once is over the limit."""
    rows = built.query(
        "select * from marts.fct_concurrency where account_id = 'crowd' order by started_at"
    )
    assert [
        (f"{row['started_at']:%H:%M}", f"{row['ended_at']:%H:%M}", row["running_sandboxes"],
         row["over_limit"])
        for row in rows
    ] == [
        ("10:00", "11:30", 2, False),
        ("11:30", "11:31", 3, True),
        ("11:31", "12:00", 2, False),
    ]  # fmt: skip


# --- All of it ------------------------------------------------------------------------------


def test_every_row_of_every_file_has_a_disposition(built: World) -> None:
    """Rows in = rows out, for each file."""
    rows = built.query(
        """
        select loads.file, loads.records, coalesce(sum(dispositions.rows), 0) as accounted
        from ops.loads as loads
        left join marts.fct_row_dispositions as dispositions
            using (source, file, content_sha256)
        group by all
        """
    )
    assert len(rows) > 30
    assert [row for row in rows if row["records"] != row["accounted"]] == []


def test_days_hours_and_intervals_agree(built: World) -> None:
    """The seconds of the days, of the hours and of the intervals are the same, per account."""
    totals = [
        built.query(f"select account_id, {sums} as quantity from {mart} group by 1 order by 1")
        for mart, sums in (
            ("marts.fct_compute_intervals", "sum(seconds)"),
            ("marts.fct_usage_hourly", "sum(quantity) filter (meter_id = 'sandbox_seconds')"),
            ("marts.fct_usage_daily", "sum(quantity) filter (meter_id = 'sandbox_seconds')"),
        )
    ]
    hourly, daily = ([row for row in rows if row["quantity"] is not None] for rows in totals[1:])
    assert totals[0] == hourly == daily


def test_late(world: World) -> None:
    """Usage of an approved period that arrives 30 hours late is corrected, not restated."""
    world.account("late")
    known = e2b("killed", "2026-07-31T10:00:00Z", "sb-1", customer="late", ran_ms=60_000)
    world.write("e2b/known.ndjson", [capture(known, "2026-07-31T10:00:01Z")])
    world.build("2026-08-01T12:00:00Z")
    world.approve("2026-07", "2026-08-01T12:00:00Z")
    world.build("2026-08-01T13:00:00Z")
    approved = world.lines("late", statement_period="2026-07")
    late = e2b("killed", "2026-07-31T18:00:00Z", "sb-2", customer="late", ran_ms=100_000)
    world.write("e2b/late.ndjson", [capture(late, "2026-08-02T00:00:00Z")])
    world.build("2026-08-02T01:00:00Z")
    assert world.lines("late", statement_period="2026-07") == approved
    [line] = world.lines("late", charge_class="correction", charge_key="sandbox_seconds")
    # 100 s x 0.01 on August's statement, for the month of July.
    assert (line["statement_period"], line["quantity"], line["amount_minor"]) == (
        "2026-08", 100, 100,
    )  # fmt: skip
    assert (line["period_start"], line["period_end"]) == (utc("2026-07-01"), utc("2026-08-01"))
    assert line["corrects_charge_id"] in {each["charge_id"] for each in approved}


def test_milliseconds_or_seconds(world: World) -> None:
    """Each source's numbers are in its own unit; a number where a time is text is no time at all.

    OpenComputer's edge database tells milliseconds in one table and seconds in another. Neither
    has a folder in the landing zone; Vercel's milliseconds and Stripe's seconds have. A billing
    period that begins at the instant holds both only if both are read as that very instant.
    """
    seconds = 1_785_571_200  # 20666 days and 8 hours: 2026-08-01T08:00:00Z
    start, end = "2026-08-01T08:00:00Z", "2026-08-01T09:00:00Z"
    world.account("unit", started_at=start, anchor=start)
    in_ms = {"startedAt": seconds * 1000, "stoppedAt": (seconds + 3600) * 1000}
    in_seconds = {"startedAt": seconds, "stoppedAt": seconds + 3600}
    world.write(
        "vercel/sessions/both.ndjson",
        [
            session("v-ms", "unit", "stopped", end, **in_ms),
            session("v-s", "unit", "stopped", end, **in_seconds),
        ],
    )
    world.write("stripe/meters/all.jsonl", [{"id": "m", "event_name": "sandbox_seconds"}])
    world.write("stripe/customers/all.jsonl", [{"id": "cus_unit", "created": seconds}])
    world.write(
        "stripe/meter_event_summaries/all.jsonl",
        [
            {
                "id": "sum_1",
                "meter": "m",
                "customer": "cus_unit",
                "start_time": seconds,
                "end_time": seconds + 3600,
                "aggregated_value": 3600,
            }
        ],
    )
    # A rolled-up sample of D1 in the table of scale events, in either unit.
    world.write(
        "opencomputer/scale_events/d1.ndjson",
        [
            scale_event("d1-ms", "unit", "sb-d1", start, None) | {"startedAt": seconds * 1000},
            scale_event("d1-s", "unit", "sb-d1", start, None) | {"startedAt": seconds},
        ],
    )
    # The run time of E2B is in milliseconds: 600400 of them are 600.4 s.
    event = e2b("killed", "2026-08-01T10:00:00.400Z", "sb-e2b", customer="unit", ran_ms=600_400)
    world.write("e2b/unit.ndjson", [event])
    world.build("2026-08-02T00:00:00Z")

    [run] = world.intervals("v-ms")
    assert (run["started_at"], run["seconds"]) == (utc(start), 3600)
    [run] = world.intervals("sb-e2b")
    assert (run["started_at"], run["seconds"]) == (utc("2026-08-01T09:50:00"), Decimal("600.4"))
    [both] = world.query(
        "select period_start, warehouse_quantity, stripe_meter_quantity"
        " from marts.fct_reconciliation where meter_id = 'sandbox_seconds'"
    )
    # 3600 s of Vercel and 600.4 s of E2B; Stripe has the first.
    assert tuple(both.values()) == (utc(start), Decimal("4200.4"), 3600)
    reasons = {(row["file"], row["record_number"]): row["reason"] for row in world.quarantine()}
    assert sorted(reasons) == [
        ("opencomputer/scale_events/d1.ndjson", 1),
        ("opencomputer/scale_events/d1.ndjson", 2),
        ("vercel/sessions/both.ndjson", 2),
    ]
    for (file, _), reason in reasons.items():
        wanted = "whole milliseconds since 1970" if file.startswith("vercel") else "as text"
        assert wanted in reason
