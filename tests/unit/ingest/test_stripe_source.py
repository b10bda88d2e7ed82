"""Stripe objects: objects and pages, their ids and the time at which they were known."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from ingest_zone import Zone

pytestmark = pytest.mark.unit

ROWS = (
    "select object, object_id, fetched_at, known_at, raw from raw.stripe_objects"
    " order by load_seq, record_number, object_id"
)
FETCHED = "2026-08-05T00:00:00Z"


def test_objects_and_pages(zone: Zone) -> None:
    zone.lines(
        "stripe/customers/a.jsonl",
        {"id": "cus_1", "created": 1785571200, "tax": 8.25},
        {"object": "list", "fetched_at": FETCHED, "data": [{"id": "cus_2"}, {"id": "cus_3"}]},
    )
    zone.write("stripe/invoices/b.json", json.dumps([{"id": "in_1", "fetched_at": FETCHED}]))
    # An invoice has a list of its own: it is no page.
    zone.lines("stripe/invoices/c.json", {"id": "in_2", "object": "invoice", "data": [{"id": "x"}]})
    zone.load()
    fetched = datetime(2026, 8, 5, tzinfo=UTC)
    found = [tuple(row.values()) for row in zone.rows(ROWS)]
    assert [row[:4] for row in found] == [
        ("customers", "cus_1", None, datetime(2026, 8, 1, 8, tzinfo=UTC)),
        ("customers", "cus_2", fetched, fetched),
        ("customers", "cus_3", fetched, fetched),
        ("invoices", "in_1", fetched, fetched),
        ("invoices", "in_2", None, None),
    ]
    assert json.loads(found[0][4])["tax"] == 8.25
    assert json.loads(found[1][4]) == {"id": "cus_2", "fetched_at": FETCHED}


def test_the_numbers_of_a_page_keep_every_digit(zone: Zone) -> None:
    """Read as a float, the quantity would be 3063729.127861402."""
    summary = '{"id":"mtrusg_1", "aggregated_value":3063729.127861402012}'
    own = '{"fetched_at": "2026-08-06T00:00:00Z", "id": "mtrusg_2"}'
    empty = "{ }"
    zone.write(
        "stripe/meter_event_summaries/a.json",
        f'  {{"object": "list", "fetched_at": "{FETCHED}", "data": [{summary}, {own}, {empty}]}}\n',
    )
    zone.load()
    assert [(row["raw"], row["fetched_at"].day) for row in zone.rows(ROWS)] == [
        (f'{{"fetched_at":"{FETCHED}",{summary[1:]}', 5),
        (own, 6),
    ]
    assert zone.reasons() == ["id is missing"]


def test_summaries_are_told_apart_by_what_they_sum_up(zone: Zone) -> None:
    window = {"meter": "m", "customer": "c", "start_time": 1, "end_time": 2}
    zone.lines(
        "stripe/meter_event_summaries/a.jsonl",
        window | {"id": "x", "aggregated_value": 1},
        window | {"id": "y", "aggregated_value": 2},
        window | {"customer": "d"},
        {"id": "only"},
    )
    zone.load()
    ids = [row["object_id"] for row in zone.rows(ROWS)]
    assert (ids[0] == ids[1], len(set(ids)), "only" in ids) == (True, 3, True)


def test_reasons(zone: Zone) -> None:
    zone.lines(
        "stripe/customers/a.jsonl",
        {"created": 1},
        {"id": "a", "fetched_at": "2026-08-05"},
        {"id": "a", "created": 10**15},
        "{",
        "[1]",
        {"object": "list", "data": [{"id": "ok"}, 5]},
    )
    zone.load()
    assert zone.reasons() == [
        "id is missing",
        "fetched_at has no time zone: '2026-08-05'; write it like 2026-08-01T00:00:00Z",
        "created is not a time: 1000000000000000",
        "record is not JSON: Expecting property name enclosed in double quotes at character 2",
        "record is not a JSON object",
        "record is not a JSON object",
    ]
    assert [row["object_id"] for row in zone.rows(ROWS)] == ["ok"]
