"""From approved lines to the meter events that say them: pure functions, no clock, no network."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from dagster_project.ledger import Approval, Intent, Line

MAX_DIGITS = 15
SENT_CLASSES = frozenset({"usage", "correction"})

# Adding approved quantities never rounds: an inexact result raises instead.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Need:
    """What one approval owes one Stripe meter; `quantity` is exact and may be negative."""

    approval: Approval
    stripe_event_name: str
    meter_id: str | None
    quantity: Decimal


def needs(approvals: Iterable[Approval], lines: Iterable[Line]) -> list[Need]:
    """The approved quantity of each approval, event name and meter; zero is left out.

    Counts lines of class usage and correction that have a Stripe event name.
    """
    by_id = {approval.approval_id: approval for approval in approvals}
    totals: dict[tuple[str, str, str], Decimal] = {}
    for line in lines:
        if line.approval_id not in by_id or line.charge_class not in SENT_CLASSES:
            continue
        if not line.stripe_event_name or line.quantity is None:
            continue
        key = (line.approval_id, line.stripe_event_name, line.meter_id or "")
        totals[key] = EXACT.add(totals.get(key, _ZERO), line.quantity)
    found = [
        Need(by_id[approval_id], event_name, meter_id or None, quantity)
        for (approval_id, event_name, meter_id), quantity in totals.items()
        if quantity
    ]
    return sorted(found, key=need_order)


def need_order(need: Need) -> tuple[datetime, str, str, str]:
    """The order in which needs are met: by period, statement, event name, meter."""
    return (
        need.approval.period_start,
        need.approval.statement_id,
        need.stripe_event_name,
        need.meter_id or "",
    )


def split_value(value: Decimal, digits: int = MAX_DIGITS) -> list[Decimal]:
    """Parts of at most `digits` significant digits that add up to exactly `value`.

    One part when it fits, else the integer and the fraction, each cut further when it must be.
    Every part has the sign of the whole; zero has no parts.
    """
    if not value:
        return []
    if _significant(value) <= digits:
        return [value]
    whole = value.to_integral_value(rounding="ROUND_DOWN")
    fraction = EXACT.subtract(value, whole)
    if whole and fraction:
        return split_value(whole, digits) + split_value(fraction, digits)
    sign, numerals, exponent = EXACT.normalize(value).as_tuple()
    assert isinstance(exponent, int)
    tail = len(numerals) - digits
    head = Decimal((sign, numerals[:digits], exponent + tail))
    return [head, *split_value(EXACT.subtract(value, head), digits)]


def value_text(value: Decimal) -> str:
    """The text that is sent: fixed point, no exponent, no trailing zeros after the point."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def intents_for(need: Need, customer: str, now: datetime, revision: int = 1) -> list[Intent]:
    """The frozen events of one need for one Stripe customer, in order of their parts.

    The timestamp is the last second of the billing period, so that the event falls into it
    however Stripe reads its end.
    """
    approval = need.approval
    planned: list[Intent] = []
    for part, value in enumerate(split_value(need.quantity), start=1):
        place = (
            approval.statement_id,
            need.stripe_event_name,
            need.meter_id or "",
            str(part),
            str(revision),
        )
        identifier = _digest(*place, customer, value_text(value))
        planned.append(
            Intent(
                intent_id="in_" + _digest(*place)[:40],
                approval_id=approval.approval_id,
                statement_id=approval.statement_id,
                account_id=approval.account_id,
                meter_id=need.meter_id,
                stripe_event_name=need.stripe_event_name,
                stripe_customer_id=customer,
                period_start=approval.period_start,
                period_end=approval.period_end,
                value=value,
                event_timestamp=event_timestamp(approval.period_end),
                identifier=identifier,
                idempotency_key="me:" + identifier,
                created_at=now,
                part=part,
                revision=revision,
            )
        )
    return planned


def event_timestamp(period_end: datetime) -> int:
    """Unix seconds of the last whole second before the end of the period."""
    seconds = int(period_end.timestamp())
    return seconds - 1 if period_end.microsecond == 0 else seconds


def _significant(value: Decimal) -> int:
    return len(EXACT.normalize(value).as_tuple().digits)


def _digest(*parts: str) -> str:
    # Lengths in front, so that no two lists of parts read the same.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()
