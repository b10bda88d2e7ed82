"""Events that nobody knows the fate of and that are too old to repeat: Stripe's meter decides.

Stripe promises to recognise an identifier for a day only. After that an unanswered event is read
off the meter's summary of the one minute that its timestamp falls into, and only when that reading
allows exactly one explanation.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Literal

import stripe
from stripe import StripeClient

from dagster_project.ledger import Intent
from dagster_project.stripe.failures import reason
from dagster_project.stripe.history import History
from dagster_project.stripe.meters import active_meters
from dagster_project.stripe.planning import EXACT, value_text

RESEND_WITHIN = timedelta(hours=23)
# Summaries follow events by minutes; what was answered within this time may not show in them yet.
SUMMARY_LAG = timedelta(hours=1)
CLOCK_SLACK = timedelta(minutes=5)
MINUTE = 60

_MOST_UNKNOWN = 12
# Stripe prints the sum as a double: that far off, relative to the numbers in it, is equal.
_TOLERANCE = Decimal("1e-14")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether Stripe counted the event; `unknown` holds it back and `message` says why."""

    found: Literal["present", "absent", "unknown"]
    message: str


def repeatable(history: History, now: datetime) -> bool:
    """Whether Stripe would still recognise the event if it was taken, so that it may be re-sent."""
    if history.uncertain_since is None:
        return True
    age = now - history.uncertain_since
    # An age below zero is a clock that was set back: the real age is not known.
    return -CLOCK_SLACK <= age < RESEND_WITHIN


def minute_of(intent: Intent) -> int:
    """The unix second at which the event's minute starts."""
    return intent.event_timestamp - intent.event_timestamp % MINUTE


def settle(
    client: StripeClient,
    group: Sequence[tuple[Intent, History]],
    unknown: Sequence[Intent],
    now: datetime,
) -> dict[str, Verdict]:
    """Verdicts, by intent id, on the `unknown` events of one customer, meter and minute.

    `group` holds every event ever planned for that customer, meter and minute with its history.
    """
    try:
        return _settle(client, group, unknown, now)
    except stripe.StripeError as error:
        said = reason(error)
        return _all(unknown, "unknown", f"its meter could not be read ({said}); push again")


def _settle(
    client: StripeClient,
    group: Sequence[tuple[Intent, History]],
    unknown: Sequence[Intent],
    now: datetime,
) -> dict[str, Verdict]:
    ids = {intent.intent_id for intent in unknown}
    others = [(intent, history) for intent, history in group if intent.intent_id not in ids]
    fresh = [
        history
        for _, history in group
        if history.last_at is not None and history.last_at > now - SUMMARY_LAG
    ]
    if fresh or any(history.uncertain_since for _, history in others):
        return _all(
            unknown,
            "unknown",
            "unanswered for too long to repeat it, and Stripe's meter may not show yet what was "
            "sent to it within the last hour; push again in an hour",
        )
    meter = active_meters(client).get(unknown[0].stripe_event_name)
    if meter is None:
        return _all(
            unknown,
            "unknown",
            "unanswered for too long to repeat it, and there is no active meter of that name in "
            "Stripe to read; reactivate it and push again",
        )
    shown = read_minute(client, meter.id, unknown[0].stripe_customer_id, minute_of(unknown[0]))
    known = Decimal(0)
    for intent, history in others:
        if history.delivered:
            known = EXACT.add(known, intent.value)
    return explain(shown, known, unknown)


def explain(shown: Decimal, known: Decimal, unknown: Sequence[Intent]) -> dict[str, Verdict]:
    """Which of the unknown events make up what the meter shows beyond the known ones."""
    fits: list[tuple[bool, ...]] = []
    if len(unknown) <= _MOST_UNKNOWN:
        for chosen in product((False, True), repeat=len(unknown)):
            total = known
            for intent, taken in zip(unknown, chosen, strict=True):
                if taken:
                    total = EXACT.add(total, intent.value)
            scale = abs(shown) + abs(known) + sum(abs(intent.value) for intent in unknown)
            if abs(shown - total) <= scale * _TOLERANCE:
                fits.append(chosen)
    if len(fits) != 1:
        return _all(
            unknown,
            "unknown",
            f"unanswered for too long to repeat it, and Stripe's meter shows {value_text(shown)} "
            f"for its minute where {value_text(known)} is known to be delivered, which "
            f"{'several explanations fit' if fits else 'no explanation fits'}; look at the "
            "customer's usage in Stripe",
        )
    verdicts: dict[str, Verdict] = {}
    for intent, taken in zip(unknown, fits[0], strict=True):
        message = (
            f"Stripe's meter shows {value_text(shown)} for the event's minute: "
            f"{'it was counted' if taken else 'it was never counted'}"
        )
        verdicts[intent.intent_id] = Verdict("present" if taken else "absent", message)
    return verdicts


def read_minute(client: StripeClient, meter_id: str, customer: str, minute: int) -> Decimal:
    """What Stripe's meter counted for one customer in one minute, digit by digit as printed."""
    page = client.v1.billing.meters.event_summaries.list(
        meter_id,
        {
            "customer": customer,
            "start_time": minute,
            "end_time": minute + MINUTE,
            "limit": 100,
        },
    )
    answered = page.last_response
    assert answered is not None
    # The SDK would make a binary float of it.
    body = json.loads(answered.body, parse_float=Decimal, parse_int=Decimal)
    total = Decimal(0)
    for summary in body["data"]:
        total = EXACT.add(total, summary["aggregated_value"])
    return total


def _all(
    unknown: Sequence[Intent], found: Literal["present", "absent", "unknown"], message: str
) -> dict[str, Verdict]:
    return {intent.intent_id: Verdict(found, message) for intent in unknown}
