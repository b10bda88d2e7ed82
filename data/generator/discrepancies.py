"""The eight differences planted in the Stripe data of August 2026, one an account, each with its
own cause.

Each function answers by how much Stripe's quantity differs from the truth, from the true lives
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import Any

from data.generator.clock import HOUR
from data.generator.company import Account
from data.generator.oddities import NIGHT_BATCH
from data.generator.pricebook import Charge
from data.generator.statements import Statement
from data.generator.usage import Stretch, Usage, quantity

PLANTED_MONTH = "2026-08"


@dataclass(frozen=True)
class Plant:
    """What to change; `leg` tells a wrong meter (and so invoice) from a wrong invoice alone."""

    cause: str
    leg: str  # pushed_meter | meter_invoice
    stripe_event_name: str


PLANTS = {
    plant.cause: plant
    for plant in (
        Plant("retries_counted_again", "pushed_meter", "sandbox_compute_sandbox_4gb"),
        Plant("paused_time_counted", "pushed_meter", "sandbox_compute_sandbox_8gb"),
        Plant("late_usage_not_pushed", "pushed_meter", "sandbox_compute_sandbox_16gb"),
        Plant("decimal_gigabytes", "pushed_meter", "sandbox_ram_gibi_seconds"),
        Plant("rounded_up_per_record", "pushed_meter", "sandbox_compute_sandbox_32gb"),
        Plant("missing_end_not_billed", "pushed_meter", "sandbox_compute_sandbox_8gb"),
        Plant("price_not_in_force", "meter_invoice", "sandbox_compute_sandbox_4gb"),
        Plant("usage_after_finalization", "meter_invoice", "sandbox_compute_sandbox_16gb"),
    )
}

GIGABYTE_FACTOR = Decimal("1.073741824")


def planted_in(statement: Statement) -> Plant | None:
    """The plant of a statement, if it is the closed August of an account that has one."""
    if statement.month != PLANTED_MONTH or not statement.account.plants:
        return None
    return PLANTS[statement.account.plants]


def quantity_delta(plant: Plant, statement: Statement, usage: Usage) -> Decimal:
    """Stripe's quantity less the true one, over the statement's period."""
    charge = next(
        c
        for c in statement.versions[0][0].charges
        if c.stripe_event_name == plant.stripe_event_name
    )
    stretches = [
        s for s in usage.of(statement.account) if charge.memory_mib in (None, s.memory_mib)
    ]
    return _DELTAS[plant.cause](
        _Case(statement.account, statement.start, statement.end, charge, stretches)
    )


@dataclass(frozen=True)
class _Case:
    account: Account
    start: int
    end: int
    charge: Charge
    stretches: list[Stretch]

    def seconds(self, stretch: Stretch) -> Decimal:
        return quantity(stretch, "seconds", self.start, self.end)


def _retries(case: _Case) -> Decimal:
    return _sum(case.seconds(s) * s.repeats_of_end for s in case.stretches)


def _paused(case: _Case) -> Decimal:
    """All gaps between a pause and the next start of the same sandbox, inside the period."""
    by_sandbox: dict[str, list[Stretch]] = {}
    for stretch in case.stretches:
        by_sandbox.setdefault(stretch.resource, []).append(stretch)
    gaps = Decimal(0)
    for group in by_sandbox.values():
        ordered = sorted(group, key=lambda s: s.start)
        for before, after in pairwise(ordered):
            if case.start <= before.end and after.start <= case.end:
                gaps += Decimal(after.start - before.end).scaleb(-6)
    return gaps


def _late(case: _Case) -> Decimal:
    deadline = case.end + HOUR
    return -_sum(
        case.seconds(s)
        for s in case.stretches
        if s.end_known_at is not None and s.end_known_at >= deadline
    )


def _gigabytes(case: _Case) -> Decimal:
    total = _sum(quantity(s, "ram_gibi_seconds", case.start, case.end) for s in case.stretches)
    return total * GIGABYTE_FACTOR - total


def _rounded_up(case: _Case) -> Decimal:
    each = [case.seconds(s) for s in case.stretches]
    return _sum(seconds.to_integral_value(ROUND_CEILING) - seconds for seconds in each)


def _missing_ends(case: _Case) -> Decimal:
    return -_sum(case.seconds(s) for s in case.stretches if s.evidence == "inferred")


def _other_price(_: _Case) -> Decimal:
    """The quantity agrees; only the price is another."""
    return Decimal(0)


def _after_finalization(case: _Case) -> Decimal:
    since = NIGHT_BATCH[0]
    return -_sum(quantity(s, "seconds", since, case.end) for s in case.stretches)


def _sum(parts: Any) -> Decimal:
    return sum(parts, Decimal(0))


_DELTAS: dict[str, Callable[[_Case], Decimal]] = {
    "retries_counted_again": _retries,
    "paused_time_counted": _paused,
    "late_usage_not_pushed": _late,
    "decimal_gigabytes": _gigabytes,
    "rounded_up_per_record": _rounded_up,
    "missing_end_not_billed": _missing_ends,
    "price_not_in_force": _other_price,
    "usage_after_finalization": _after_finalization,
}
