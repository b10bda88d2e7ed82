"""The ledger as a source of the warehouse."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.ledger import Ledger
from dagster_project.lib.ledger_import import import_ledger
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit

NOW = datetime(2026, 9, 2, tzinfo=UTC)
START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)


def _statement() -> dict[str, Any]:
    line = {
        "charge_id": "ch_1",
        "statement_id": "st_1",
        "account_id": "acct",
        "subscription_id": "sub",
        "plan_id": "pro",
        "plan_version": "v",
        "charge_key": "requests",
        "meter_id": "requests",
        "period_start": START,
        "period_end": END,
        "charge_class": "usage",
        "quantity": Decimal("0.100000000001"),
        "amount": Decimal("0.05"),
        "amount_minor": 5,
        "currency": "usd",
        "corrects_charge_id": None,
        "stripe_event_name": "requests",
    }
    return {
        "statement_id": "st_1",
        "account_id": "acct",
        "subscription_id": "sub",
        "period_start": START,
        "period_end": END,
        "currency": "usd",
        "subtotal_minor": 5,
        "credits_minor": 0,
        "total_minor": 5,
        "lines": [line],
        "tiers": [],
        "credits": [],
    }


def test_no_ledger_is_an_empty_one(settings: Settings) -> None:
    with connect(settings) as con:
        assert set(import_ledger(con, settings).values()) == {0}
        assert con.execute("select count(*) from ops.approvals").fetchone() == (0,)
    assert not (settings.home / "ledger.sqlite").exists()


def test_copies_are_exact_and_replaced(settings: Settings) -> None:
    ledger = Ledger(settings.ledger_url)
    ledger.approve([_statement()], "Ann", None, NOW)
    ledger.close()
    with connect(settings) as con:
        for _ in range(2):
            counts = import_ledger(con, settings)
        assert counts["raw.ledger_approvals"] == counts["raw.ledger_lines"] == 1
        line = con.execute("select quantity, amount_minor from raw.ledger_lines").fetchall()
        assert line == [("0.100000000001", 5)]
        approval = con.execute("select approved_by, approved_at from ops.approvals").fetchall()
        assert approval == [("Ann", NOW)]
        assert con.execute("select count(*) from ops.pushes").fetchone() == (0,)
