"""What an error of the Stripe client means for the event that was being sent."""

from dataclasses import dataclass
from typing import Any, Literal

import stripe

Meaning = Literal["duplicate", "refused", "busy", "unknown", "unauthorised"]


@dataclass(frozen=True, slots=True)
class Failure:
    """`refused` and `busy` (429): this attempt was not taken; `unknown`: it may have been."""

    meaning: Meaning
    http_status: int | None
    request_id: str | None
    message: str
    retry_after: int | None = None


def read_failure(error: stripe.StripeError) -> Failure:
    """Classify an error; only what Stripe says without doubt counts as not taken."""
    status = error.http_status
    message = reason(error)
    if status == 400 and "event already exists with identifier" in message.lower():
        meaning: Meaning = "duplicate"
    elif status == 429:
        meaning = "busy"
    elif status in (401, 403):
        meaning = "unauthorised"
    elif status is not None and 400 <= status < 500 and status not in (408, 409):
        meaning = "refused"
    else:
        meaning = "unknown"
    return Failure(meaning, status, _request_id(error), message, _retry_after(error))


def reason(error: stripe.StripeError) -> str:
    """What Stripe (or the way to it) said, on one line."""
    body: Any = error.json_body
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        said = body["error"].get("message")
        if said:
            return " ".join(str(said).split())
    text = " ".join(str(error.user_message or error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _request_id(error: stripe.StripeError) -> str | None:
    return str(error.request_id) if error.request_id else None


def _retry_after(error: stripe.StripeError) -> int | None:
    headers = error.headers or {}
    value = str(headers.get("retry-after", headers.get("Retry-After", "")))
    return int(value) if value.isdigit() else None
