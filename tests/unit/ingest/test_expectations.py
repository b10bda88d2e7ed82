"""The suites on a real warehouse file: what they find, where, and that they let go of the file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ingest_examples import (
    CLOUDEVENT,
    FOCUS_COST,
    PAUSED,
    SCALE_EVENT,
    SESSION,
    USAGE_PERIOD,
    USAGE_POLL,
    execution,
)
from ingest_zone import Zone

from ingest.errors import MeterhouseError
from ingest.expectations import Suite, daytona, focus, validate
from ingest.expectations.register import SUITES
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

    outcomes = validate(zone.settings, summary.load_seqs, SUITES)
    assert [outcome.name for outcome in outcomes] == [
        rule.name for suite in SUITES for rule in suite.rules
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


def test_a_record_that_a_correction_voids_is_not_judged(zone: Zone) -> None:
    """By the id of its source; not by a void that a later correction or a later hour takes back."""
    ends = "2026-05-06T09:00:00Z"
    tiny = execution(memory_mb=64) | {"id": "tiny"}
    zone.lines("e2b/a.jsonl", PAUSED, PAUSED | {"sandbox_id": "another"}, tiny)
    zone.lines("opencomputer/scale_events/a.jsonl", SCALE_EVENT | {"memoryMB": 2048})
    zone.lines("daytona/usage_periods/a.jsonl", USAGE_PERIOD | {"endAt": ends})
    zone.lines("vercel/sessions/a.jsonl", SESSION | {"memory": 4_194_304 + 1})
    other = {"data": {"tokens": 13}}
    zone.lines("cloudevents/a.jsonl", CLOUDEVENT, CLOUDEVENT | other)
    summary = zone.load()
    ids = {
        "e2b": "select event_id from raw.e2b_events where sandbox_id = 'another'",
        "opencomputer": "select event_id from raw.opencomputer_scale_events",
        "daytona": """
            select concat(sandbox_id, '/', strftime(started_at at time zone 'UTC', '%Y-%m-%d'), 'T',
                strftime(started_at at time zone 'UTC', '%H:%M:%S.%f'), 'Z')
            from raw.daytona_usage_periods""",
        "vercel": "select session_id from raw.vercel_sessions",
        "cloudevents": "select distinct event_id from raw.cloudevents",
    }
    voided = {name: zone.con.sql(query).fetchall()[0][0] for name, query in ids.items()}
    head = "correction_id,record_id,action,quantity,reason,requested_by,requested_at\n"

    def fails(at: str, *more: str) -> set[str]:
        lines = [f"{name},{each},void,,wrong,Ada,{at}\n" for name, each in voided.items()]
        zone.write("corrections.csv", head + "".join([*lines, *more]))
        zone.con = connect(zone.settings)
        assert zone.load().quarantined == 0
        zone.con.close()
        outcomes = validate(zone.settings, summary.load_seqs, SUITES)
        return {outcome.name for outcome in outcomes if not outcome.passed}

    wrong = {
        "e2b_event_id_means_one_event",
        "opencomputer_memory_is_a_tier",
        "daytona_period_ends_within_a_day",
        "cloudevents_id_means_one_event",
    }
    sessions = {"vercel_memory_is_plausible", "vercel_memory_goes_with_the_cores"}
    small = "e2b_memory_is_plausible"
    zone.con.close()
    before = (zone.settings.now - timedelta(hours=1)).isoformat()
    after = (zone.settings.now + timedelta(hours=1)).isoformat()
    assert fails(after) == {small, *wrong, *sessions}
    assert fails(before) == {small}
    later = f"again,{voided['vercel']},replace,5,it was right,Ada,{zone.settings.now.isoformat()}\n"
    assert fails(before, later) == {small, *sessions}


def _failing(zone: Zone, suite: Suite) -> dict[str, list[tuple[str, int]]]:
    """Load what has landed: the rows that fail, by rule of the suite."""
    summary = zone.load()
    assert summary.quarantined == 0
    zone.con.close()
    outcomes = validate(zone.settings, summary.load_seqs, [suite])
    assert [outcome.name for outcome in outcomes] == [rule.name for rule in suite.rules]
    assert all(outcome.passed == (not outcome.sample) for outcome in outcomes)
    assert all(outcome.failing_rows == len(outcome.sample) for outcome in outcomes)
    return {outcome.name: outcome.sample for outcome in outcomes}


def test_answers_of_the_usage_api_each_rule_fails(zone: Zone) -> None:
    """What is told must be possible; a later answer that tells less is worth a look."""
    file = "daytona/usage_polls/a.jsonl"
    window = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-02T00:00:00Z"}
    # 4096 GiB is the most that a sandbox has, so 4097 for a day are more than the window holds.
    much = {"sandboxId": "s", "totalRAMGBSeconds": 4097 * 86_400}
    zone.lines(
        file,
        USAGE_POLL,
        USAGE_POLL | window | {"source": "daytona.sandbox", "response": [much]},
        # An organisation may have that many sandboxes.
        USAGE_POLL | window | {"response": {"totalRAMGBSeconds": 4097 * 86_400}},
        USAGE_POLL | {"organization_id": "silent", "response": {"sandboxCount": 3}},
        USAGE_POLL
        | {"fetched_at": "2026-05-06T00:00:00Z", "response": {"totalDiskGBSeconds": 273_599}},
        # Nothing ran: an answer by sandbox may be empty.
        USAGE_POLL | {"source": "daytona.sandbox", "response": []},
    )
    assert _failing(zone, daytona.POLLS) == {
        "daytona_poll_totals_fit_their_window": [(file, 2)],
        "daytona_poll_tells_something": [(file, 4)],
        # 273599 after 273599.04.
        "daytona_poll_total_does_not_fall": [(file, 5)],
    }


def test_provider_costs_each_rule_fails(zone: Zone) -> None:
    """None of them blocks: a cost of ours is on no bill."""
    nameless = {key: value for key, value in FOCUS_COST.items() if key != "ProviderName"}
    unmeasured = {key: value for key, value in FOCUS_COST.items() if key != "ConsumedQuantity"}
    july = {
        "BillingPeriodStart": "2026-07-01T00:00:00Z",
        "BillingPeriodEnd": "2026-08-01T00:00:00Z",
    }
    zone.lines(
        "focus/a.jsonl",
        FOCUS_COST,
        nameless,
        FOCUS_COST | {"BilledCost": "-100000000.01"} | {"ChargeClass": "Correction"},
        FOCUS_COST | {"BilledCost": "-0.01"},
        unmeasured,
        FOCUS_COST | {"ChargeCategory": "Tax"},
        FOCUS_COST | july,
        unmeasured | {"BilledCost": "-1", "ChargeClass": "Correction"},
    )
    zone.lines("focus/fly/a.jsonl", nameless | {"ResourceId": "vm-2"}, FOCUS_COST)
    assert not any(rule.blocking for rule in focus.SUITE.rules)
    assert _failing(zone, focus.SUITE) == {
        "focus_provider_is_named": [("focus/a.jsonl", 2)],
        "focus_cost_is_plausible": [("focus/a.jsonl", 3)],
        "focus_usage_is_not_negative": [("focus/a.jsonl", 4)],
        "focus_quantity_goes_with_usage": [("focus/a.jsonl", 5), ("focus/a.jsonl", 6)],
        "focus_charge_lies_in_its_billing_period": [("focus/a.jsonl", 7)],
        "focus_charge_is_in_one_file": [("focus/a.jsonl", 1), ("focus/fly/a.jsonl", 2)],
    }


def test_no_loads_nothing_to_expect(zone: Zone) -> None:
    assert validate(zone.settings, [], SUITES) == []


def test_a_suite_that_cannot_run_says_why(zone: Zone) -> None:
    with pytest.raises(MeterhouseError, match=r"could not run: .*lock"):
        validate(zone.settings, [1], SUITES)
