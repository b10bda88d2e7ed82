"""Sends the events of one customer and meter, one at a time, and records every step before it."""

import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import stripe
from stripe import StripeClient

from dagster_project.ledger import Intent, Ledger
from dagster_project.ledger.ledger import AnswerState
from dagster_project.stripe import settlement
from dagster_project.stripe.failures import Failure, read_failure
from dagster_project.stripe.history import History
from dagster_project.stripe.pace import Clock, Sleep, TokenBucket, backoff_seconds
from dagster_project.stripe.planning import value_text

OLDEST_SECONDS = 35 * 24 * 3600
FUTURE_SECONDS = 5 * 60
ATTEMPTS_UNANSWERED = 3
ATTEMPTS_BUSY = 8
STOP_AFTER_UNANSWERED = 3

Outcome = Literal["sent", "duplicate", "settled", "rejected", "held", "uncertain"]
Report = Callable[[Intent, Outcome, str], None]


@dataclass
class Stop:
    """Shared by all senders: once set, nobody starts another event."""

    reason: str | None = None
    unanswered_in_a_row: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def halted(self) -> bool:
        """Whether somebody asked everybody to stop."""
        return self.reason is not None

    def saw(self, answered: bool) -> None:
        """Count events without any answer in a row; too many of them stop the push."""
        with self.lock:
            self.unanswered_in_a_row = 0 if answered else self.unanswered_in_a_row + 1
            if self.unanswered_in_a_row >= STOP_AFTER_UNANSWERED:
                self.reason = self.reason or "Stripe does not answer; push again later"


@dataclass(frozen=True)
class Task:
    """The events of one customer and meter.

    `group` is everything ever planned for them in the order of sending, `wanted` the intent ids to
    deliver, `histories` the history of each of the group; the sender keeps them up to date.
    """

    group: Sequence[Intent]
    wanted: Set[str]
    histories: dict[str, History]


class Sender:
    """Delivers events and keeps their histories; one object serves all threads of a push."""

    def __init__(
        self,
        ledger: Ledger,
        client: StripeClient,
        clock: Clock,
        bucket: TokenBucket,
        sleep: Sleep,
        stop: Stop,
        report: Report,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._clock = clock
        self._bucket = bucket
        self._sleep = sleep
        self._stop = stop
        self._report = report

    def deliver(self, task: Task) -> None:
        """Deliver what is wanted and not delivered of one customer's and meter's events.

        What is too old to repeat is settled first: sending beside it would blur what the meter
        shows.
        """
        if self._stop.halted():
            return
        held = self._settle_old(task)
        for intent in task.group:
            if self._stop.halted():
                return
            left = intent.intent_id in task.wanted and intent.intent_id not in held
            if left and not task.histories[intent.intent_id].delivered:
                self._send(intent, task.histories)

    def _settle_old(self, task: Task) -> set[str]:
        now = self._clock.now()
        group, histories = task.group, task.histories
        minutes: dict[int, list[Intent]] = {}
        for intent in group:
            history = histories[intent.intent_id]
            wanted = intent.intent_id in task.wanted and not history.delivered
            if wanted and (
                not settlement.repeatable(history, now)
                or (history.uncertain_since and self._out_of_time(intent))
            ):
                minutes.setdefault(settlement.minute_of(intent), []).append(intent)
        held: set[str] = set()
        for minute, unknown in sorted(minutes.items()):
            same_minute = [
                (intent, histories[intent.intent_id])
                for intent in group
                if settlement.minute_of(intent) == minute
            ]
            self._bucket.take()
            verdicts = settlement.settle(self._client, same_minute, unknown, now)
            for intent in unknown:
                verdict = verdicts[intent.intent_id]
                if verdict.found == "present":
                    self._record(intent, histories, "accepted", message=verdict.message)
                    self._report(intent, "settled", verdict.message)
                elif verdict.found == "absent":
                    self._record(intent, histories, "rejected", message=verdict.message)
                else:
                    held.add(intent.intent_id)
                    self._report(intent, "held", _since(histories[intent.intent_id], verdict))
        return held

    def _send(self, intent: Intent, histories: dict[str, History]) -> None:
        hopeless = self._out_of_time(intent)
        if hopeless:
            if histories[intent.intent_id].last_message != hopeless:
                self._record(intent, histories, "rejected", message=hopeless)
            self._report(intent, "rejected", hopeless)
            return
        unanswered = busy = 0
        while True:
            failure = self._attempt(intent, histories)
            if failure is None:
                self._stop.saw(answered=True)
                self._report(intent, "sent", "")
                return
            if failure.meaning == "duplicate":
                self._stop.saw(answered=True)
                self._report(intent, "duplicate", failure.message)
                return
            if failure.meaning == "busy" or failure.http_status == 409:
                # 409: an earlier attempt, perhaps of a push that died, is still being carried out.
                busy += 1
            elif failure.meaning == "unknown":
                unanswered += 1
            else:
                self._give_up(intent, histories, failure)
                return
            if busy >= ATTEMPTS_BUSY or unanswered >= ATTEMPTS_UNANSWERED:
                self._give_up(intent, histories, failure)
                return
            self._sleep(backoff_seconds(max(busy, unanswered), failure.retry_after))

    def _attempt(self, intent: Intent, histories: dict[str, History]) -> Failure | None:
        """One call, recorded before and after; None when Stripe took the event."""
        before = histories[intent.intent_id]
        key = before.key(intent.idempotency_key)
        self._bucket.take()
        self._record(intent, histories, "sending", idempotency_key=key)
        try:
            event = self._client.v1.billing.meter_events.create(
                {
                    "event_name": intent.stripe_event_name,
                    "identifier": intent.identifier,
                    "payload": {
                        "stripe_customer_id": intent.stripe_customer_id,
                        "value": value_text(intent.value),
                    },
                    "timestamp": intent.event_timestamp,
                },
                # Repeats are ours, so that each is written down before it happens.
                {"idempotency_key": key, "max_network_retries": 0},
            )
        except stripe.StripeError as error:
            failure = read_failure(error)
            self._record(
                intent,
                histories,
                _state(failure, doubted=before.uncertain_since is not None),
                http_status=failure.http_status,
                request_id=failure.request_id,
                message=failure.message,
                idempotency_key=key,
            )
            return failure
        answered = event.last_response
        self._record(
            intent,
            histories,
            "accepted",
            http_status=answered.code if answered else None,
            request_id=answered.request_id if answered else None,
            idempotency_key=key,
        )
        return None

    def _give_up(self, intent: Intent, histories: dict[str, History], failure: Failure) -> None:
        if failure.meaning == "unauthorised":
            self._stop.reason = f"Stripe refuses the key ({failure.message})"
        self._stop.saw(answered=failure.http_status is not None)
        if histories[intent.intent_id].uncertain_since is None:
            self._report(intent, "rejected", _advice(intent, failure))
        else:
            self._report(
                intent,
                "uncertain",
                f"no clear answer ({failure.message}); push again, the same bytes are repeated",
            )

    def _out_of_time(self, intent: Intent) -> str | None:
        """Why Stripe would refuse the event's timestamp, or None."""
        age = int(self._clock.now().timestamp()) - intent.event_timestamp
        stamp = datetime.fromtimestamp(intent.event_timestamp, UTC).isoformat()
        if age > OLDEST_SECONDS:
            return (
                f"its time {stamp} is more than 35 days ago, Stripe takes no such meter event; "
                "bill it as an invoice item"
            )
        if age < -FUTURE_SECONDS:
            return f"its time {stamp} has not come yet; push again after the end of the period"
        return None

    def _record(
        self,
        intent: Intent,
        histories: dict[str, History],
        state: AnswerState,
        *,
        http_status: int | None = None,
        request_id: str | None = None,
        message: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        before = histories[intent.intent_id]
        answer = self._ledger.record_answer(
            intent.intent_id,
            state,
            self._clock.now(),
            step=before.steps + 1,
            http_status=http_status,
            request_id=request_id,
            message=message,
            idempotency_key=idempotency_key,
        )
        histories[intent.intent_id] = before.after(answer)


def _state(failure: Failure, doubted: bool) -> AnswerState:
    if failure.meaning == "duplicate":
        return "duplicate"
    # A refusal speaks for its own attempt only: an earlier one may have been taken.
    return "indeterminate" if failure.meaning == "unknown" or doubted else "rejected"


def _since(history: History, verdict: settlement.Verdict) -> str:
    moment = history.uncertain_since
    return f"sent {moment:%Y-%m-%d %H:%M:%S} UTC, {verdict.message}" if moment else verdict.message


def _advice(intent: Intent, failure: Failure) -> str:
    if "no active meter found" in failure.message.lower():
        return (
            f"{failure.message}; create the meter {intent.stripe_event_name!r} (sum) in Stripe, "
            "`meterhouse catalog sync` does it, and push again"
        )
    if failure.meaning == "busy":
        return f"Stripe's rate limit ({failure.message}); nothing was taken, push again later"
    if failure.meaning == "unauthorised":
        return f"Stripe refuses the key ({failure.message}); check STRIPE_SECRET_KEY"
    return f"Stripe refuses it ({failure.message})"
