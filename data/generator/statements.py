"""What each closed statement should say, from the true usage and the price book: the witness's own
rating.

A statement covers one subscription and billing period; it is cut where a new plan version comes
into force: each part has its own prices, while tiers run on through the period. A line rounds half
away from zero to cents.
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
    before: Decimal  # quantity of the same charge in earlier parts of the period
    in_period: Decimal  # quantity of the same charge in the whole period

    @property
    def amount_minor(self) -> int:
        return to_minor(self.charge.amount(self.quantity, self.before, self.in_period))


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
    measured = [
        (charge, version, start, end, charge_quantity(usage, statement.account, charge, start, end))
        for version, start, end in statement.versions
        for charge in version.charges
    ]
    positions = running([(charge, quantity) for charge, _, _, _, quantity in measured])
    return [
        Line(charge, version, start, end, quantity, before, in_period)
        for (charge, version, start, end, quantity), (before, in_period) in zip(
            measured, positions, strict=True
        )
        if quantity
    ]


def running(quantities: list[tuple[Charge, Decimal]]) -> list[tuple[Decimal, Decimal]]:
    """For each quantity of a charge: what came before it in the period, and the whole period's."""
    totals: dict[str, Decimal] = {}
    for charge, quantity in quantities:
        totals[charge.charge_key] = totals.get(charge.charge_key, Decimal(0)) + quantity
    seen: dict[str, Decimal] = {}
    found: list[tuple[Decimal, Decimal]] = []
    for charge, quantity in quantities:
        before = seen.get(charge.charge_key, Decimal(0))
        found.append((before, totals[charge.charge_key]))
        seen[charge.charge_key] = before + quantity
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
