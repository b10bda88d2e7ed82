"""Vercel's sessions: pages, arrays and lines give the same rows, each time exact."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ingest_examples import SESSION, without
from ingest_zone import Zone

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

SESSIONS = (
    "select session_id, project_id, sandbox_name, status, vcpu, memory_mib, region, started_at,"
    " stopped_at, aborted_at, duration_ms, updated_at, known_at"
    " from raw.vercel_sessions order by load_seq, record_number"
)
UPDATED = datetime(2026, 8, 3, 10, 1, 30, 300_000, tzinfo=UTC)
ROW = {
    "session_id": "sbx_4Fq2",
    "project_id": "prj_7",
    "sandbox_name": "acme-build",
    "status": "stopped",
    "vcpu": Decimal(2),
    "memory_mib": 4096,
    "region": "iad1",
    # 1785751200250 ms: 10:00:00.250; 90001 ms later it stopped.
    "started_at": datetime(2026, 8, 3, 10, 0, 0, 250_000, tzinfo=UTC),
    "stopped_at": datetime(2026, 8, 3, 10, 1, 30, 251_000, tzinfo=UTC),
    "aborted_at": None,
    "duration_ms": 90_001,
    "updated_at": UPDATED,
    "known_at": UPDATED,
}


def page(*sessions: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    """An answer of the API."""
    return {"sessions": list(sessions), "pagination": {"count": len(sessions), "next": cursor}}


def numbers(zone: Zone) -> list[tuple[str, int]]:
    rows = zone.rows("select session_id, record_number from raw.vercel_sessions order by all")
    return [(row["session_id"], row["record_number"]) for row in rows]


def test_sessions_in_every_shape(zone: Zone) -> None:
    zone.write("vercel/sessions/1.json", json.dumps(page(SESSION), indent=1))
    zone.write("vercel/sessions/2.json", json.dumps(page(SESSION, cursor="c")))
    zone.write("vercel/sessions/3.json", json.dumps([page(SESSION), page(), page(SESSION)]))
    zone.lines("vercel/sessions/deep/4.ndjson", SESSION, page(SESSION, SESSION))
    zone.write("vercel/sessions/5.json", json.dumps([SESSION]))
    zone.write("vercel/sessions/6.json", json.dumps(SESSION, indent=1))
    # Pagination may come first.
    zone.write("vercel/sessions/7.json", json.dumps(dict(reversed(page(SESSION).items()))))
    zone.load()
    assert zone.reasons() == []
    assert zone.rows(SESSIONS) == [ROW] * 10


def test_a_page_is_numbered_by_its_sessions(zone: Zone) -> None:
    """What comes after a page counts on from its sessions, a bad record among them too."""
    named = [SESSION | {"id": name} for name in "abcdef"]
    zone.lines(
        "vercel/sessions/a.ndjson",
        named[0],
        page(named[1], {"id": "x"}, named[2]),
        "{",
        page(),
        named[3],
        "",
        page(named[4]),
        named[5],
    )
    zone.load()
    # a 1; the page's three are 2, 3 and 4; the broken line 5; of the empty page nothing; d 6; the
    # blank line counts, as in every file of lines; e 8; f 9.
    assert numbers(zone) == [("a", 1), ("b", 2), ("c", 4), ("d", 6), ("e", 8), ("f", 9)]
    rejected = zone.rows("select record_number, reason from ops.quarantine order by 1")
    assert [row["record_number"] for row in rejected] == [3, 5]
    assert rejected[0]["reason"] == "status is missing"
    assert rejected[1]["reason"].startswith("record is not JSON")


def test_what_is_no_page_is_one_bad_record(zone: Zone) -> None:
    """A page that says its sessions twice, or holds none that is a list, is refused as it came."""
    twice = json.dumps(page(SESSION))[:-1] + ', "sessions": []}'
    odd = [twice, {"sessions": {"a": SESSION}}, {"sessions": None}, {"note": '"sessions"'}]
    zone.lines("vercel/sessions/a.ndjson", *odd, page(1, SESSION))  # type: ignore[arg-type]
    cut = json.dumps(page(SESSION, SESSION))[:-60]
    zone.write("vercel/sessions/b.json", cut)
    zone.load()
    assert numbers(zone) == [("sbx_4Fq2", 6)]
    reasons = zone.reasons()
    assert reasons[0] == "record has the key 'sessions' twice"
    assert reasons[1:5] == ["session_id is missing"] * 3 + ["record is not a JSON object"]
    assert reasons[5].startswith("record is not JSON")


def test_the_whole_session_is_kept(zone: Zone) -> None:
    """What is not used, such as the active CPU time, can still be asked for."""
    zone.write("vercel/sessions/a.json", json.dumps(page(SESSION), indent=1))
    zone.load()
    [row] = zone.rows("select raw from raw.vercel_sessions")
    assert json.loads(row["raw"]) == SESSION


def test_a_session_that_has_not_started(zone: Zone) -> None:
    """It is known since its last update; without a project or a name it is still a session."""
    pending = without(
        SESSION, "startedAt", "stoppedAt", "duration", "projectId", "sourceSandboxName"
    )
    zone.lines("vercel/sessions/a.ndjson", pending | {"status": "pending"})
    zone.load()
    absent = ("started_at", "stopped_at", "duration_ms", "project_id", "sandbox_name")
    assert zone.rows(SESSIONS) == [ROW | dict.fromkeys(absent) | {"status": "pending"}]


def test_milliseconds_are_exact(zone: Zone) -> None:
    """The last millisecond of 2199 is more than a float of seconds can tell to the microsecond."""
    late = SESSION | {"stoppedAt": 7_258_118_399_999, "abortedAt": "1785751290251"}
    zone.lines("vercel/sessions/a.ndjson", late)
    zone.load()
    [row] = zone.rows(SESSIONS)
    assert row["stopped_at"] == datetime(2199, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert row["known_at"] == row["stopped_at"]
    assert row["aborted_at"] == ROW["stopped_at"]


def test_session_reasons(zone: Zone) -> None:
    no_time = "must be a time in whole milliseconds since 1970 (2000 to 2199)"
    bad = {
        "session_id is missing": without(SESSION, "id"),
        "status is missing": without(SESSION, "status"),
        "vcpu is missing": without(SESSION, "vcpus"),
        "vcpu must not be above 65536: 65537": SESSION | {"vcpus": 65537},
        "memory_mib must be between 1 and 1073741824: 0": SESSION | {"memory": 0},
        # In bytes.
        "memory_mib must be between 1 and 1073741824: 4294967296": SESSION | {"memory": 2**32},
        "updated_at is missing": without(SESSION, "updatedAt"),
        # In seconds, in microseconds, with a part of a millisecond, and as text of another kind.
        f"started_at {no_time}: 1785751200": SESSION | {"startedAt": 1785751200},
        f"stopped_at {no_time}: 1785751290251000": SESSION | {"stoppedAt": 1785751290251000},
        f"aborted_at {no_time}: 1785751290251.5": SESSION | {"abortedAt": 1785751290251.5},
        f"updated_at {no_time}: '2026-08-03T10:00:00Z'": SESSION
        | {"updatedAt": "2026-08-03T10:00:00Z"},
        "duration_ms must not be negative: -1": SESSION | {"duration": -1},
    }
    zone.lines("vercel/sessions/a.jsonl", *bad.values())
    zone.load()
    assert zone.reasons() == list(bad)
