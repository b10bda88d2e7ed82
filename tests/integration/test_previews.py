"""What an open period is shown to come to, against what it comes to when nothing more is used."""

from __future__ import annotations

import pytest
from world import START, World, charge, plan, quantity, version

pytestmark = pytest.mark.integration


def test_the_preview_is_the_statement_if_nothing_more_is_used(world: World) -> None:
    """Base fee 5.00, minimum 10.00, 10 pages at 0.30: 3.00 of usage lacks 7.00 of the minimum."""
    world.meters.append({"meter_id": "pages", "source": "quantities", "unit": "page"})
    terms = {"base_amount": "5.00", "minimum_amount": "10.00"}
    world.plans.append(plan("least", version(START, [charge("p", "pages", "0.30")], **terms)))
    world.account("one", plan_id="least")
    world.account("two")
    row = quantity("q-1", "one", "pages", "10", "2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
    world.write("quantities/pages.csv", [row])
    world.build("2026-08-10T12:00:00Z")
    previews = """
        select account_id, period, subtotal_minor, minimum_true_up_minor, projected_subtotal_minor
        from marts.fct_statement_previews order by account_id
    """
    told = [tuple(row.values()) for row in world.query(previews)]
    assert told == [("one", "2026-08", 800, 700, 1500), ("two", "2026-08", 0, 0, 0)]

    world.build("2026-09-01T00:00:00Z")
    closed = "select subtotal_minor from marts.fct_statements where period = ? and account_id = ?"
    assert world.value(closed, "2026-08", "one") == 1500
    assert world.value(closed, "2026-08", "two") == 0
    # September has begun: its base fee, and all of its minimum.
    told = [tuple(row.values()) for row in world.query(previews)]
    assert told == [("one", "2026-09", 500, 1000, 1500), ("two", "2026-09", 0, 0, 0)]
