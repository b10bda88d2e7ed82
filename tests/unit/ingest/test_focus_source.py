"""FOCUS files: every format gives the same rows, signs and places are kept, bad rows say why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_examples import FOCUS_COST, without
from ingest_zone import Zone

from ingest.sources.focus import read_amount

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("both_paths")]

START = datetime(2026, 8, 1, tzinfo=UTC)
END = datetime(2026, 8, 2, tzinfo=UTC)
FACTS = (
    "select provider_name, charge_period_start, charge_period_end, known_at, sub_account_id,"
    " consumed_quantity, billed_cost, list_cost, tags from raw.focus_costs"
    " order by load_seq, record_number"
)


def _csv(*records: dict[str, Any]) -> str:
    names = list(records[0])
    lines = [",".join(names)]
    for record in records:
        cells = ["" if record[name] is None else str(record[name]) for name in names]
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\n".join(lines) + "\n"


def test_every_format_gives_the_same_row(zone: Zone, tmp_path: Path) -> None:
    tags = {"customer": "acme", "tier": 1}
    record = FOCUS_COST | {"Tags": tags, "x_Internal": "ignored", "CapacityReservationId": None}
    zone.lines("focus/fly/1.jsonl", record)
    zone.write("focus/fly/2.json", json.dumps([record], indent=1))
    zone.write("focus/fly/3.csv", _csv(record | {"Tags": '{"customer":"acme","tier":1}'}))
    typed = record | {
        "ChargePeriodStart": START.replace(tzinfo=None),
        "ChargePeriodEnd": END,
        "Tags": [("customer", "acme")],
    }
    amounts = {name: Decimal(record[name]) for name in ("BilledCost", "ListCost")}
    schema = pa.schema(
        [
            *((name, pa.string()) for name in without(record, "Tags", *amounts)),
            *((name, pa.decimal128(38, 18)) for name in amounts),
            ("Tags", pa.map_(pa.string(), pa.string())),
        ]
    )
    schema = schema.set(
        schema.get_field_index("ChargePeriodStart"),
        pa.field("ChargePeriodStart", pa.timestamp("ms")),
    )
    schema = schema.set(
        schema.get_field_index("ChargePeriodEnd"),
        pa.field("ChargePeriodEnd", pa.timestamp("us", "UTC")),
    )
    pq.write_table(pa.Table.from_pylist([typed | amounts], schema), tmp_path / "p")
    zone.write("focus/fly/4.parquet", (tmp_path / "p").read_bytes())
    zone.load()
    assert zone.reasons() == []
    expected = (
        "Fly.io",
        START,
        END,
        END,
        "team-1",
        Decimal(24),
        Decimal("0.0648"),
        Decimal("0.081"),
    )
    found = [tuple(row.values()) for row in zone.rows(FACTS)]
    assert [row[:-1] for row in found] == [expected] * 4
    assert [json.loads(row[-1]) for row in found[:3]] == [tags] * 3
    assert json.loads(found[3][-1]) == {"customer": "acme"}


def test_the_newer_name_of_the_provider_goes_before_the_older(zone: Zone) -> None:
    zone.lines("focus/a.jsonl", FOCUS_COST | {"ServiceProviderName": "New"})
    zone.lines("focus/b.jsonl", without(FOCUS_COST, "ProviderName"))
    zone.load()
    assert [row["provider_name"] for row in zone.rows(FACTS)] == ["New", None]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("-12.5", "-12.5"),
        (-3, "-3"),
        (Decimal("-1E-7"), "-0.0000001"),
        ("1.0000000000000000005", "1.000000000000000001"),
        ("-1.0000000000000000005", "-1.000000000000000001"),
        ("1.00000000000000000049", "1"),
        ("-4e-19", "0"),
        ("1e19", "10000000000000000000"),
    ],
)
def test_amounts_keep_their_sign_and_eighteen_places(told: object, kept: str) -> None:
    amount = read_amount(told)
    assert amount == Decimal(kept)
    assert amount.as_tuple().exponent == -18


def test_what_is_no_charge_goes_to_quarantine(zone: Zone) -> None:
    zone.lines(
        "focus/fly/bad.jsonl",
        FOCUS_COST | {"BilledCost": "-0.0648", "ChargeClass": "Correction"},
        without(FOCUS_COST, "BilledCost"),
        FOCUS_COST | {"BilledCost": "1,5"},
        FOCUS_COST | {"BilledCost": "--1"},
        FOCUS_COST | {"BilledCost": "-1e20"},
        FOCUS_COST | {"ChargePeriodEnd": "2026-07-31T00:00:00Z"},
        FOCUS_COST | {"ChargePeriodStart": "2026-08-01T00:00:00"},
        FOCUS_COST | {"ChargeCategory": "usage"},
        FOCUS_COST | {"ChargeClass": "Restatement"},
        FOCUS_COST | {"BillingCurrency": "US dollar"},
        FOCUS_COST | {"Tags": ["a"]},
        FOCUS_COST | {"Tags": "{"},
    )
    summary = zone.load()
    assert (summary.records, summary.quarantined) == (12, 11)
    assert zone.reasons() == [
        "BilledCost is missing",
        "BilledCost must be a decimal number, not '1,5'",
        "BilledCost must be a decimal number, not '--1'",
        "BilledCost is too large: '1e20'",
        "ChargePeriodEnd is before ChargePeriodStart",
        "ChargePeriodStart has no time zone: '2026-08-01T00:00:00'; write it like"
        " 2026-08-01T00:00:00Z",
        "ChargeCategory must be one of Usage, Purchase, Tax, Credit, Adjustment, not 'usage'",
        "ChargeClass must be Correction or nothing, not 'Restatement'",
        "BillingCurrency must be three letters, not 'US dollar'",
        "Tags must be a JSON object, not ['a']",
        "Tags is not JSON: Expecting property name enclosed in double quotes at character 2",
    ]


def test_a_table_without_a_needed_column_is_quarantined_whole(zone: Zone) -> None:
    zone.write("focus/fly/a.csv", _csv(without(FOCUS_COST, "BillingCurrency")))
    zone.load()
    assert zone.reasons() == ["the header has no column BillingCurrency"]
