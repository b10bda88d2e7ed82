"""A sandbox that its provider and `intervals/` tell of: no time counts twice (DECISIONS D42)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from world import Row, World, e2b, interval, period, utc

pytestmark = pytest.mark.integration

AS_OF = "2026-08-20T00:00:00Z"
LATER = "2026-08-21T00:00:00Z"


def at(hour: str) -> str:
    """An instant of 5 August."""
    return f"2026-08-05T{hour}:00Z"


def copy(record_id: str, account_ref: str, start: str, end: str, **more: object) -> Row:
    """A row of intervals/ about the E2B sandbox `sb`: one core and 1 GiB."""
    named = {"provider": "e2b", "disk_mib": ""} | more
    return interval(record_id, account_ref, "sb", at(start), at(end), **named)


# E2B tells 10:00 to 11:00 and 12:00 to 13:00, with two cores and 0.5 GiB.
EVENTS = [
    e2b("created", at("10:00"), "sb", "a", customer="acme"),
    e2b("paused", at("11:00"), "sb", "a", customer="acme", ran_ms=3_600_000),
    e2b("resumed", at("12:00"), "sb", "b", customer="acme"),
    e2b("killed", at("13:00"), "sb", "b", customer="acme", ran_ms=3_600_000),
]
# The account as ours, its team as E2B's, and a record with the id of a run of E2B.
COPIES = [
    copy("part", "acme", "10:30", "11:30"),
    copy("a", "team-1", "12:00", "13:00"),
    copy("other", "else", "10:00", "11:00"),
]


def prepare(world: World) -> None:
    """Two accounts; the team of E2B is nobody's, its customers are."""
    world.account("acme")
    world.account("else")


def check(world: World) -> None:
    """What every order of arrival comes to."""
    # 2 x 3600 s of E2B, and of `part` 11:00 to 11:30.
    assert world.usage("acme") == 9000
    # 2 cores x 7200 s, and 1 x 1800 s.
    assert world.usage("acme", "sandbox_cpu_core_seconds") == 16_200
    # An id of another account is another sandbox.
    assert world.usage("else") == 3600
    runs = [
        (run["execution_id"], run["started_at"], run["ended_at"])
        for run in world.intervals("sb")
        if run["account_id"] == "acme"
    ]
    assert runs == [
        ("a", utc(at("10:00")), utc(at("11:00"))),
        ("part", utc(at("11:00")), utc(at("11:30"))),
        ("b", utc(at("12:00")), utc(at("13:00"))),
    ]
    assert world.issues("sb") == ["told_by_another_source", "told_by_another_source"]
    assert world.dispositions("intervals/copies.csv") == {"billed": 2, "superseded": 1}
    # E2B less the copy, where both tell: `part` 10:30 to 11:00. The other copy is of E2B's team,
    # which is nobody's: its difference is no account's.
    assert world.query(
        """
        select
            meter_id, quantity_delta, evidence->>'$.files[0]' as file,
            evidence->>'$.record_ids' as ids
        from marts.fct_discrepancies where leg = 'provider_warehouse' order by meter_id
        """
    ) == [
        # 2 x 1800 core-seconds less 1 x 1800, and 0.5 x 1800 GiB-seconds less 1 x 1800.
        {
            "meter_id": "sandbox_cpu_core_seconds",
            "quantity_delta": 1800,
            "file": "intervals/copies.csv",
            "ids": '["part"]',
        },
        {
            "meter_id": "sandbox_ram_gibi_seconds",
            "quantity_delta": -900,
            "file": "intervals/copies.csv",
            "ids": '["part"]',
        },
    ]
    assert world.dispositions("e2b/events.ndjson") == {"billed": 4}


def differing(one: World, other: World) -> set[str]:
    """The marts in which two homes differ."""
    ours, theirs = one.digests(), other.digests()
    return {name for name in theirs if ours[name] != theirs[name]}


FILES = {
    "e2b/events.ndjson": EVENTS,
    "intervals/copies.csv": COPIES,
}


def test_the_order_of_arrival_is_no_matter(new_world: Callable[[], World]) -> None:
    worlds = []
    for order in permutations(FILES):
        world = new_world()
        prepare(world)
        for name in order:
            world.write(name, FILES[name])
            world.build(AS_OF)
        check(world)
        worlds.append(world)
    together = new_world()
    prepare(together)
    for name, rows in FILES.items():
        together.write(name, rows)
    together.build(AS_OF)
    check(together)
    for world in worlds:
        assert differing(world, together) == set()
        world.build(AS_OF, full_refresh=True)
        assert differing(world, together) == set()


def test_news_of_the_winner_makes_the_loser_again(new_world: Callable[[], World]) -> None:
    """E2B's end comes late: until then its run is open to the as-of and covers the copy whole."""
    world = new_world()
    prepare(world)
    world.write("e2b/1.ndjson", EVENTS[:1])
    world.write("intervals/copy.csv", [copy("c", "acme", "09:00", "12:00")])
    world.build(at("12:00"))
    # E2B from 10:00 to 12:00, the copy from 09:00 to 10:00.
    assert world.usage("acme") == 10_800
    assert world.build(at("12:15")).plan.rebuild_usage is False
    assert world.usage("acme") == 11_700
    world.write("e2b/2.ndjson", EVENTS[1:2])
    assert world.build(AS_OF).plan.rebuild_usage is False
    # 10:00 to 11:00 of E2B; of the copy 09:00 to 10:00 and 11:00 to 12:00.
    assert world.usage("acme") == 10_800
    assert [run["evidence"] for run in world.intervals("sb")] == ["observed"] * 3

    # A correction that voids the winner's records gives the loser its time back.
    world.write(
        "corrections.csv",
        [
            {
                "correction_id": f"c-{number}",
                "record_id": event["id"],
                "action": "void",
                "quantity": "",
                "reason": "not ours",
                "requested_by": "Ada",
                "requested_at": AS_OF,
            }
            for number, event in enumerate(EVENTS[:2])
        ],
    )
    assert world.build(LATER).plan.rebuild_usage is False
    assert world.usage("acme") == 10_800
    assert [run["seconds"] for run in world.intervals("sb")] == [10_800]
    assert world.issues("sb") == []
    assert world.dispositions("intervals/copy.csv") == {"billed": 1}
    before = world.digests()
    world.build(LATER, full_refresh=True)
    assert world.digests() == before


def test_a_stopped_sandbox_is_told_too(world: World) -> None:
    """Daytona says that it is stopped: the copy, which says that it runs, does not count there."""
    world.account("acme")
    world.write(
        "daytona/usage_periods/1.csv",
        [
            period("acme", "box", at("10:00"), at("11:00")),
            period("acme", "box", at("11:00"), at("12:00"), cpu=0, mem=0),
        ],
    )
    world.write(
        "intervals/1.csv",
        [
            interval("whole", "acme", "box", at("10:00"), at("12:00"), provider="daytona"),
            interval("more", "org-acme", "box", at("12:00"), at("12:30"), provider="daytona"),
        ],
    )
    world.build(AS_OF)
    # 3600 s of Daytona and 1800 s of `more`; a disk of 8 GiB for 7200 s, one of 10 GiB for 1800 s.
    assert world.usage("acme") == 5400
    assert world.usage("acme", "sandbox_ssd_gibi_seconds") == 8 * 7200 + 10 * 1800
    assert world.dispositions("intervals/1.csv") == {"billed": 1, "superseded": 1}
