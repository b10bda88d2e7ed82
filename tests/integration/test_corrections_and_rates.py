"""Corrections and exchange rates as files: which rows are known, and what became of every row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from world import World

from dagster_project.lib import pipeline

pytestmark = pytest.mark.integration

CORRECTIONS = [
    {
        "correction_id": "c1",
        "record_id": "q1",
        "action": "void",
        "quantity": "",
        "reason": "counted twice",
        "requested_by": "Ada",
        "requested_at": "2026-08-05T10:00:00Z",
    },
    {
        "correction_id": "c2",
        "record_id": "q1",
        "action": "replace",
        "quantity": "2.5",
        "reason": "a half was right",
        "requested_by": "Ada",
        "requested_at": "2026-08-07T00:00:00Z",
    },
]
RATES = (
    "rate_date,from_currency,to_currency,rate\n2026-08-05,eur,usd,1.08\n2026-08-06,eur,usd,1.09\n"
)


def _in_force(world: World, now: datetime) -> list[tuple[object, ...]]:
    with pipeline.warehouse(world.settings(now), read_only=True) as con:
        return con.execute(
            "select correction_id, action, quantity from staging.stg_corrections__corrections"
        ).fetchall()


def test_what_is_asked_for_later_waits_until_then(world: World) -> None:
    """Known on the 6th at noon: the void and both rates; on the 7th the replacement too."""
    world.account("acme")
    world.write("corrections.csv", CORRECTIONS)
    world.write("exchange_rates.csv", RATES + "2026-08-07,eur,usd,0\n")
    at = datetime(2026, 8, 6, 12, tzinfo=UTC)
    world.build(at)
    assert _in_force(world, at) == [("c1", "void", None)]
    assert world.dispositions("corrections.csv") == {"not_billable": 1, "pending": 1}
    assert world.dispositions("exchange_rates.csv") == {"not_billable": 2, "quarantined": 1}

    # The clock passes the request: nothing new arrived, and the answer is another one.
    at = datetime(2026, 8, 7, tzinfo=UTC)
    world.build(at)
    assert _in_force(world, at) == [("c2", "replace", Decimal("2.5"))]
    assert world.dispositions("corrections.csv") == {"not_billable": 2}


def test_a_file_that_was_replaced_says_nothing_any_more(world: World) -> None:
    world.account("acme")
    world.write("corrections.csv", CORRECTIONS)
    at = datetime(2026, 8, 8, tzinfo=UTC)
    world.build(at)
    world.write("corrections.csv", CORRECTIONS[:1])
    world.build(at)
    assert _in_force(world, at) == [("c1", "void", None)]
    rows = world.query(
        "select disposition, rows from marts.fct_row_dispositions"
        " where source = 'corrections' order by all"
    )
    assert [tuple(row.values()) for row in rows] == [("not_billable", 1), ("superseded", 2)]
