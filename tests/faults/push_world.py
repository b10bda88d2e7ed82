"""Approved statements, a ledger and a push for the tests of the write side."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagster_project.ledger import Ledger
from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.push import PushResult, push
from dagster_project.stripe.server import StripeServer

NOW = datetime(2026, 9, 2, 12, tzinfo=UTC)
AUGUST = (datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC))
SEPTEMBER = (datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))

Usage = Mapping[str, str]


def line(
    statement_id: str,
    account_id: str,
    event_name: str | None,
    quantity: str,
    *,
    number: int = 1,
    charge_class: str = "usage",
    amount_minor: int = 100,
    bounds: tuple[datetime, datetime] = AUGUST,
) -> dict[str, Any]:
    """One line as the rating hands it over."""
    return {
        "charge_id": f"{statement_id}-{event_name}-{charge_class}-{number}",
        "statement_id": statement_id,
        "account_id": account_id,
        "subscription_id": f"sub-{account_id}",
        "plan_id": "pro",
        "plan_version": "2026-04-22T00:00:00Z",
        "charge_key": event_name or "base",
        "meter_id": f"meter_{event_name}" if event_name else None,
        "period_start": bounds[0],
        "period_end": bounds[1],
        "charge_class": charge_class,
        "quantity": Decimal(quantity),
        "amount": Decimal(amount_minor) / 100,
        "amount_minor": amount_minor,
        "currency": "usd",
        "corrects_charge_id": None,
        "stripe_event_name": event_name,
    }


def statement(
    account_id: str,
    usage: Usage,
    *,
    customer: str | None = "",
    bounds: tuple[datetime, datetime] = AUGUST,
    charge_class: str = "usage",
    extra: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A closed statement with one line for each event name; `customer` empty: `cus_<account>`."""
    statement_id = f"st-{account_id}-{bounds[0]:%Y-%m}"
    lines = [
        line(statement_id, account_id, name, quantity, bounds=bounds, charge_class=charge_class)
        for name, quantity in usage.items()
    ]
    lines += [
        {**item, "statement_id": statement_id, "account_id": account_id} for item in extra or []
    ]
    subtotal = sum(item["amount_minor"] for item in lines)
    return {
        "statement_id": statement_id,
        "account_id": account_id,
        "subscription_id": f"sub-{account_id}",
        "period_start": bounds[0],
        "period_end": bounds[1],
        "currency": "usd",
        "subtotal_minor": subtotal,
        "credits_minor": 0,
        "total_minor": subtotal,
        "stripe_customer_id": f"cus_{account_id}" if customer == "" else customer,
        "lines": lines,
        "tiers": [],
        "credits": [],
    }


class World:
    """One home with a ledger, pushing to one server."""

    def __init__(self, home: Path, server: StripeServer) -> None:
        self.home = home
        self.server = server
        home.mkdir(parents=True, exist_ok=True)
        self.ledger_url = f"sqlite:///{home / 'ledger.sqlite'}"
        self.ledger = Ledger(self.ledger_url)
        self.approved: dict[tuple[str, str], Decimal] = {}

    def approve(self, *statements: dict[str, Any], now: datetime = NOW) -> None:
        """Approve, and remember what must arrive."""
        self.ledger.approve(statements, "Ada", None, now)
        for item in statements:
            customer = item["stripe_customer_id"]
            for row in item["lines"]:
                if row["stripe_event_name"] and row["charge_class"] in ("usage", "correction"):
                    key = (customer, row["stripe_event_name"])
                    self.approved[key] = self.approved.get(key, Decimal(0)) + row["quantity"]
            if customer:
                self.server.add_customers([customer])

    def push(self, now: datetime = NOW, **options: Any) -> PushResult:
        """Push in this process; never waits longer than it must."""
        options = {
            "create_meters": True,
            "workers": 1,
            "calls_per_second": 1000,
            "sleep": lambda seconds: None,
            **options,
        }
        client = stripe_client(self.server.environment(), read_timeout=1)
        return push(self.ledger, client, now, home=self.home, **options)

    def assert_exact(self) -> None:
        """The server holds what was approved, not an event more or less."""
        expected = {key: value for key, value in self.approved.items() if value}
        assert self.server.totals() == expected
