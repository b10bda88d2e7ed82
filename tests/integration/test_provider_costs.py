"""FOCUS files as costs of a provider: attributed as usage is, corrected, restated, never billed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from world import World

pytestmark = pytest.mark.integration

NOW = datetime(2026, 8, 10, tzinfo=UTC)


def cost(resource: str, billed: str, **more: Any) -> dict[str, Any]:
    """A charge for the first of August of the sub-account `team-1`, in dollars."""
    return {
        "ProviderName": "Fly.io",
        "BillingAccountId": "org-1",
        "SubAccountId": "team-1",
        "ChargePeriodStart": "2026-08-01T00:00:00Z",
        "ChargePeriodEnd": "2026-08-02T00:00:00Z",
        "ChargeCategory": "Usage",
        "ResourceId": resource,
        "ServiceName": "Machines",
        "SkuId": "cpu",
        "ConsumedQuantity": "10",
        "ConsumedUnit": "Hours",
        "BilledCost": billed,
        "EffectiveCost": billed,
        "ListCost": billed,
        "BillingCurrency": "USD",
    } | more


def _costs(world: World, columns: str) -> list[tuple[Any, ...]]:
    rows = world.query(
        f"select {columns} from marts.fct_provider_costs order by provider, resource_id, 1, 2"
    )
    return [tuple(row.values()) for row in rows]


def _of_focus(world: World) -> dict[str, int]:
    rows = world.query(
        "select disposition, sum(rows)::bigint as rows from marts.fct_row_dispositions"
        " where source = 'focus' group by 1"
    )
    return {row["disposition"]: row["rows"] for row in rows}


def test_costs_find_their_account_and_corrections_add(world: World) -> None:
    """vm-1: 5.00 - 1.25 of a correction without quantity = 3.75 for 10 hours, of acme by its tag.

    vm-2 belongs to beta by its sub-account until the 5th, then to nobody; vm-3 to nobody at all.
    """
    world.account("acme")
    world.account("beta")
    world.link("fly", "metadata:customer", "acme", "acme")
    world.link("fly", "project", "team-2", "beta", end="2026-08-05T00:00:00Z")
    tag = {"Tags": {"customer": "acme"}}
    later = {
        "ChargePeriodStart": "2026-08-05T00:00:00Z",
        "ChargePeriodEnd": "2026-08-06T00:00:00Z",
    }
    nothing_used = {"ConsumedQuantity": None, "ConsumedUnit": None}
    world.write(
        "focus/fly/2026-08.jsonl",
        [
            cost("vm-1", "5.00", **tag),
            cost("vm-1", "-1.25", ChargeClass="Correction", ListCost=None, **nothing_used, **tag),
            cost("vm-2", "1.5", SubAccountId="team-2"),
            cost("vm-2", "1.5", SubAccountId="team-2", **later),
            cost("vm-3", "0.5"),
            cost("vm-3", "0.1", ConsumedUnit="GiB-Hours"),
            cost("vm-3", "2", ChargeCategory="Tax"),
            cost("vm-3", "x"),
            # Not over before as_of: not known yet.
            cost("vm-3", "9", ChargePeriodEnd="2026-08-10T00:00:00.000001Z"),
        ],
    )
    world.build(NOW)
    columns = (
        "resource_id, charge_category, consumed_unit, account_id, billed_cost, effective_cost,"
        " list_cost, consumed_quantity, correction_cost, charges"
    )
    zero, ten, tax = Decimal(0), Decimal(10), Decimal(2)
    assert _costs(world, columns) == [
        ("vm-1", "Usage", "Hours", "acme", *[Decimal("3.75")] * 2, None, ten, Decimal("-1.25"), 2),
        ("vm-2", "Usage", "Hours", "beta", *[Decimal("1.5")] * 3, ten, zero, 1),
        ("vm-2", "Usage", "Hours", "unattributed", *[Decimal("1.5")] * 3, ten, zero, 1),
        ("vm-3", "Tax", None, "unattributed", tax, tax, tax, None, zero, 1),
        ("vm-3", "Usage", "GiB-Hours", "unattributed", *[Decimal("0.1")] * 3, ten, zero, 1),
        ("vm-3", "Usage", "Hours", "unattributed", *[Decimal("0.5")] * 3, ten, zero, 1),
    ]
    # Nine rows: one bad, one later, seven that are costs and nobody's bill.
    assert world.dispositions("focus/fly/2026-08.jsonl") == {
        "not_billable": 7,
        "pending": 1,
        "quarantined": 1,
    }
    assert world.query("select * from marts.fct_usage_daily") == []
    assert world.value("select sum(subtotal_minor) from marts.fct_statements") == 0


def test_a_restated_file_takes_the_place_of_the_earlier_one(world: World) -> None:
    """The same path with new content: 3.00 becomes 2.00; another path adds its 0.50."""
    world.account("acme")
    world.write("focus/fly/2026-08.csv", [cost("vm-1", "1"), cost("vm-2", "2")])
    world.write("focus/2026-08/more.csv", [cost("vm-1", "0.5")])
    world.build(NOW)
    assert _costs(world, "provider, resource_id, billed_cost") == [
        ("Fly.io", "vm-1", Decimal("0.5")),
        ("fly", "vm-1", Decimal(1)),
        ("fly", "vm-2", Decimal(2)),
    ]
    assert _of_focus(world) == {"not_billable": 3}

    world.write("focus/fly/2026-08.csv", [cost("vm-1", "2")])
    # The same content under another name is the same content.
    world.write("focus/fly/copy.csv", [cost("vm-1", "2")])
    world.build(NOW)
    assert _costs(world, "provider, resource_id, billed_cost") == [
        ("Fly.io", "vm-1", Decimal("0.5")),
        ("fly", "vm-1", Decimal(2)),
    ]
    assert _of_focus(world) == {"not_billable": 2, "superseded": 2}
    added = world.digests()
    world.build(NOW, full_refresh=True)
    assert world.digests() == added
