"""CloudEvents: every shape gives the same row, and every bad record one exact reason."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ingest_examples import CLOUDEVENT, without
from ingest_zone import Zone

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

FACTS = (
    "select event_source, event_id, event_type, subject, occurred_at, known_at, data"
    " from raw.cloudevents order by load_seq, record_number"
)
AT = datetime(2026, 8, 1, 10, 0, 0, 250_000, tzinfo=UTC)
ROW = {
    "event_source": "/api/eu",
    "event_id": "e-1",
    "event_type": "com.example.api_call",
    "subject": "acct_1",
    "occurred_at": AT,
    "known_at": AT,
    "data": '{"cached":"false","cost":"0.25","model":"large","tokens":"12"}',
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_every_shape_gives_the_same_row(zone: Zone) -> None:
    in_base64 = without(CLOUDEVENT, "data") | {"data_base64": encoded(json.dumps(ROW_DATA))}
    zone.lines("cloudevents/lines.jsonl", CLOUDEVENT, in_base64)
    zone.write("cloudevents/one.json", json.dumps(CLOUDEVENT, indent=2))
    zone.write("cloudevents/batch.json", json.dumps([CLOUDEVENT, in_base64]))
    zone.write("cloudevents/2026/compact.json", json.dumps(CLOUDEVENT, separators=(",", ":")))
    assert zone.load().ignored == []
    assert zone.reasons() == []
    assert zone.rows(FACTS) == [ROW] * 6


# The example's data in another order and with other texts of its numbers.
ROW_DATA = {"cost": "0.25", "cached": False, "tokens": 12.0, "model": "large"}


def data_of(zone: Zone) -> list[str]:
    return [row["data"] for row in zone.rows(FACTS)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"n":"12"}', '{"n":"12"}'),
        ('{"n":12}', '{"n":"12"}'),
        ('{"n":12.50}', '{"n":"12.5"}'),
        ('{"n":1e3}', '{"n":"1000"}'),
        # Seventeen digits and more: what a double would change.
        ('{"n":0.12345678901234567891}', '{"n":"0.12345678901234567891"}'),
        ('{"n":98765432109876543210}', '{"n":"98765432109876543210"}'),
        ('{"n":null,"m":true}', '{"m":"true"}'),
        ('{"b":{"z":[1,{"y":2.0}],"a":"x"}}', '{"b":{"a":"x","z":["1",{"y":"2"}]}}'),
        ('{"data":{"data":1}}', '{"data":{"data":"1"}}'),
        ("[1, 2]", '["1","2"]'),
        ("7", '"7"'),
        ("null", "{}"),
        ('{"a b":"{","c":"}"}', '{"a b":"{","c":"}"}'),
    ],
)
def test_data_is_kept_exactly_as_texts(zone: Zone, data: str, expected: str) -> None:
    text = json.dumps(without(CLOUDEVENT, "data"))[:-1] + f', "data": {data}}}'
    zone.lines("cloudevents/a.jsonl", text)
    zone.load()
    assert data_of(zone) == [expected]


def test_what_may_be_left_out(zone: Zone) -> None:
    """No subject: usage of nobody. No data, or data that is not JSON: nothing but the event."""
    image = without(CLOUDEVENT, "data") | {"datacontenttype": "image/png", "data_base64": "////"}
    zone.lines(
        "cloudevents/a.jsonl",
        without(CLOUDEVENT, "subject", "data", "datacontenttype"),
        image | {"subject": ""},
        CLOUDEVENT | {"traceparent": "00-4b-00", "dataschema": "https://example.com/s"},
    )
    zone.load()
    assert zone.reasons() == []
    nobody = ROW | {"subject": None, "data": "{}"}
    assert zone.rows(FACTS) == [nobody, nobody, ROW]


BAD: dict[str, Any] = {
    "specversion is missing": without(CLOUDEVENT, "specversion"),
    "specversion must be '1.0', not '0.3'": CLOUDEVENT | {"specversion": "0.3"},
    "specversion must be '1.0', not 1.0": CLOUDEVENT | {"specversion": 1.0},
    "id is missing": CLOUDEVENT | {"id": ""},
    "source is missing": without(CLOUDEVENT, "source"),
    "type is missing": CLOUDEVENT | {"type": None},
    "type must be text, not True": CLOUDEVENT | {"type": True},
    "subject must be text, not ['a']": CLOUDEVENT | {"subject": ["a"]},
    "time is missing": without(CLOUDEVENT, "time"),
    "time has no time zone: '2026-08-01T10:00:00'; write it like 2026-08-01T00:00:00Z": (
        CLOUDEVENT | {"time": "2026-08-01T10:00:00"}
    ),
    "data and data_base64 exclude each other": CLOUDEVENT | {"data_base64": "e30="},
    "data_base64 is not base64 of UTF-8 text": without(CLOUDEVENT, "data") | {"data_base64": "?"},
    "data_base64 must be text, not 5": without(CLOUDEVENT, "data") | {"data_base64": 5},
    "data_base64 is not JSON: Expecting value at character 1": (
        without(CLOUDEVENT, "data") | {"data_base64": encoded("tokens=1")}
    ),
    "data holds a NUL character": CLOUDEVENT | {"data": {"a": "\0"}},
    "record is not a JSON object": [1],
}


def test_every_bad_record_has_its_reason(zone: Zone) -> None:
    zone.lines("cloudevents/a.jsonl", *BAD.values(), CLOUDEVENT)
    zone.load()
    assert zone.reasons() == list(BAD)
    assert zone.rows(FACTS) == [ROW]


def test_there_is_no_table_of_cloudevents(zone: Zone) -> None:
    zone.write("cloudevents/a.csv", "specversion,id\n1.0,a\n")
    zone.load()
    assert zone.reasons() == ["this source is read as JSON, not as a table"]
