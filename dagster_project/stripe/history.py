"""What the ledger's answers say about one intent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dagster_project.ledger import Answer

_DELIVERED = frozenset({"accepted", "duplicate"})
# Stripe keeps these answers under the idempotency key and would only repeat them.
_UNSTORED_STATUSES = frozenset({409, 429})


@dataclass(frozen=True, slots=True)
class History:
    """The life of one intent so far.

    `uncertain_since` is the first sending whose outcome nobody knows (None: none is open), `steps`
    the number of answers, `stored_answers` how many Stripe may repeat for their idempotency key.
    """

    delivered: bool = False
    uncertain_since: datetime | None = None
    last_at: datetime | None = None
    steps: int = 0
    stored_answers: int = 0
    last_message: str | None = None

    def after(self, answer: Answer) -> "History":
        """The history with one more answer."""
        uncertain = self.uncertain_since
        if answer.state == "sending":
            uncertain = uncertain or answer.at
        elif answer.state != "indeterminate":
            # accepted and duplicate settle it; rejected is only written when nothing was taken.
            uncertain = None
        stored = answer.http_status is not None and answer.state in ("rejected", "indeterminate")
        return History(
            delivered=self.delivered or answer.state in _DELIVERED,
            uncertain_since=uncertain,
            last_at=answer.at,
            steps=answer.step,
            stored_answers=self.stored_answers
            + (1 if stored and answer.http_status not in _UNSTORED_STATUSES else 0),
            last_message=answer.message,
        )

    def key(self, idempotency_key: str) -> str:
        """The idempotency key of the next attempt.

        An attempt that got no answer is repeated under its own key. Once Stripe has answered with
        an error it would repeat that error for a day, so the next attempt takes a numbered key;
        the event's identifier still keeps it from counting twice.
        """
        count = self.stored_answers
        return f"{idempotency_key}:{count}" if count else idempotency_key


def histories(answers: Iterable[Answer]) -> dict[str, History]:
    """The history of every intent that has answers, by intent id."""
    found: dict[str, History] = {}
    for answer in answers:
        found[answer.intent_id] = found.get(answer.intent_id, History()).after(answer)
    return found
