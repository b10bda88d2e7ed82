"""What each closed statement should say, from the true usage and the price book: the witness's own
rating.

A statement covers one subscription and billing period; it is cut where a new plan version comes
into force, and each part is rated on its own, tiers included. A line rounds half away from zero to
cents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from data.generator.clock import local_midnight, local_months, moment
from data.generator.company import AS_OF, WINDOW_START, Account, Company, Subscription
from data.generator.pricebook import METERS, Charge, Version, plan
from data.generator.usage import Usage


@dataclass(frozen=True)
class Line:
    charge: Charge
    version: Version
    start: int
    end: int
    quantity: Decimal

    @property
    def amount_minor(self) -> int:
        return to_minor(self.charge.amount(self.quantity))


@dataclass
class Statement:
    account: Account
    subscription: Subscription
    month: str
    start: int
    end: int
    versions: list[tuple[Version, int, int]]
    lines: list[Line] = field(default_factory=list)

    @property
    def base_minor(self) -> int:
        return to_minor(Decimal(self.versions[0][0].base_amount))

    @property
    def included(self) -> Decimal:
        return Decimal(self.versions[0][0].included_amount)


def to_minor(amount: Decimal) -> int:
    """Cents, half away from zero."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def closed_statements(company: Company, usage: Usage) -> list[Statement]:
    """Every statement whose period has ended, with its non-zero usage lines."""
    found: list[Statement] = []
    for subscription in company.subscriptions:
        account = company.by_id(subscription.account_id)
        for month, begins, ends in _periods(account, subscription):
            start = max(begins, subscription.started_at)
            end = ends if subscription.ended_at is None else min(ends, subscription.ended_at)
            if start >= end or end > AS_OF:
                continue
            statement = Statement(
                account,
                subscription,
                month,
                start,
                end,
                plan(subscription.plan_id).pieces(start, end),
            )
            statement.lines = _lines(statement, usage)
            found.append(statement)
    return found


def _periods(account: Account, subscription: Subscription) -> list[tuple[str, int, int]]:
    """(month of its first day, start, end) of the billing periods that touch the sample."""
    if subscription.anchor is None:
        return local_months(account.zone, WINDOW_START, AS_OF)
    anchor_day = moment(subscription.anchor).day
    starts = [_anchored(2026, month, anchor_day) for month in range(6, 11)]
    return [
        (
            day.isoformat()[:7],
            local_midnight("UTC", day.year, day.month, day.day),
            local_midnight("UTC", following.year, following.month, following.day),
        )
        for day, following in pairwise(starts)
    ]


def _anchored(year: int, month: int, day: int) -> date:
    """The day of the month, or the month's last day when it is too short."""
    for candidate in range(day, 27, -1):
        try:
            return date(year, month, candidate)
        except ValueError:
            continue
    return date(year, month, day)


def _lines(statement: Statement, usage: Usage) -> list[Line]:
    found: list[Line] = []
    for version, start, end in statement.versions:
        for charge in version.charges:
            quantity = charge_quantity(usage, statement.account, charge, start, end)
            if quantity:
                found.append(Line(charge, version, start, end, quantity))
    return found


def charge_quantity(
    usage: Usage, account: Account, charge: Charge, start: int, end: int
) -> Decimal:
    """The exact quantity of a charge in [start, end)."""
    meter = next(m for m in METERS if m.meter_id == charge.meter_id)
    if meter.source != "compute":
        return usage.amounts(account, meter.meter_id, start, end)
    where = {"memory_mib": charge.memory_mib} if charge.memory_mib is not None else None
    return usage.compute(account, meter.measure, start, end, where)
