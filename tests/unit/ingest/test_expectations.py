"""The suites on a real warehouse file: what they find, where, and that they let go of the file."""

from __future__ import annotations

import pytest
from ingest_examples import CLOUDEVENT, PAUSED, SCALE_EVENT, SESSION, USAGE_PERIOD, execution
from ingest_zone import Zone

from ingest.errors import MeterhouseError
from ingest.expectations import cloudevents, daytona, e2b, opencomputer, validate
from ingest.expectations.cloudevents import SUITE as CLOUDEVENTS
from ingest.expectations.daytona import SUITE as DAYTONA
from ingest.expectations.e2b import SUITE as E2B
from ingest.expectations.gauges import SUITE as GAUGES
from ingest.expectations.opencomputer import SUITE as OPENCOMPUTER
from ingest.expectations.storage import SUITE as STORAGE
from ingest.expectations.vercel import SUITE as VERCEL
from ingest.warehouse import connect

pytestmark = pytest.mark.integration


def test_suites_find_what_would_make_a_bill_wrong(zone: Zone) -> None:
    zone.lines("e2b/a.jsonl", PAUSED, PAUSED)
    zone.lines("e2b/b.jsonl", PAUSED | {"sandbox_id": "another"}, execution(memory_mb=64))
    zone.lines("opencomputer/scale_events/a.jsonl", SCALE_EVENT, SCALE_EVENT | {"memoryMB": 2048})
    zone.lines(
        "daytona/usage_periods/a.jsonl",
        USAGE_PERIOD,
        USAGE_PERIOD | {"mem": 8192},
        USAGE_PERIOD | {"endAt": "2026-05-06T09:00:00Z"},
    )
    in_kib = SESSION | {"id": "k", "memory": 4_194_304 + 1}
    frozen = SESSION | {"id": "f", "status": "hibernated"}
    zone.lines("vercel/sessions/a.jsonl", SESSION, in_kib, frozen)
    gauge = {"sampled_at": "2026-08-03T00:00:00Z", "account_ref": "a", "resource_id": "r"}
    zone.lines("gauges/a.jsonl", gauge | {"bytes": 1}, gauge | {"bytes": 2})
    sample = {"sampled_at": "2026-08-03T00:00:00Z", "bucket": "b", "prefix": "", "complete": True}
    zone.lines("storage/listings/a.json", sample)
    other = {"data": {"tokens": 13}}
    zone.lines("cloudevents/a.jsonl", CLOUDEVENT, CLOUDEVENT | {"id": "e-2", "subject": None})
    zone.lines("cloudevents/b.jsonl", CLOUDEVENT | other, CLOUDEVENT | {"source": "/us"} | other)
    summary = zone.load()
    zone.con.close()

    outcomes = validate(zone.settings, summary.load_seqs)
    assert [outcome.name for outcome in outcomes] == [
        rule.name
        for suite in (E2B, OPENCOMPUTER, DAYTONA, VERCEL, GAUGES, STORAGE, CLOUDEVENTS)
        for rule in suite.rules
    ]
    failed = {outcome.name: outcome for outcome in outcomes if not outcome.passed}
    assert {name: (each.failing_rows, each.blocking) for name, each in failed.items()} == {
        "e2b_memory_is_plausible": (1, True),
        "e2b_event_id_means_one_event": (4, True),
        "opencomputer_memory_is_a_tier": (1, False),
        # 8192 GiB is 8192 MiB in the wrong unit; two days are more than one.
        "daytona_memory_is_plausible": (1, True),
        "daytona_period_ends_within_a_day": (1, False),
        "vercel_memory_is_plausible": (1, True),
        # Two cores go with 4096 MiB.
        "vercel_memory_goes_with_the_cores": (1, False),
        "vercel_status_is_known": (1, False),
        "gauges_have_one_level_at_an_instant": (2, False),
        "cloudevents_subject_is_present": (1, False),
        "cloudevents_id_means_one_event": (2, False),
    }
    assert failed["cloudevents_id_means_one_event"].sample == [
        ("cloudevents/a.jsonl", 1),
        ("cloudevents/b.jsonl", 1),
    ]
    assert failed["e2b_memory_is_plausible"].sample == [("e2b/b.jsonl", 2)]
    assert failed["e2b_event_id_means_one_event"].sample == [
        ("e2b/a.jsonl", 1),
        ("e2b/a.jsonl", 2),
        ("e2b/b.jsonl", 1),
        ("e2b/b.jsonl", 2),
    ]
    assert failed["opencomputer_memory_is_a_tier"].table == "raw.opencomputer_scale_events"

    # The file is free again, for this process too.
    zone.con = connect(zone.settings)


def test_no_loads_nothing_to_expect(zone: Zone) -> None:
    assert e2b.validate(zone.settings, []) == []
    assert daytona.validate(zone.settings, []) == []
    assert opencomputer.validate(zone.settings, []) == []
    assert cloudevents.validate(zone.settings, []) == []


def test_a_suite_that_cannot_run_says_why(zone: Zone) -> None:
    with pytest.raises(MeterhouseError, match=r"could not run: .*lock"):
        validate(zone.settings, [1])
