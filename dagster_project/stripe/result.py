"""What a push did."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from dagster_project.stripe.planning import value_text

Mode = Literal["sent", "dry_run", "outbox"]


@dataclass(frozen=True, slots=True)
class PushProblem:
    """One meter event (or planned total) that did not arrive; `message` says what to do."""

    statement_id: str
    account_id: str
    stripe_event_name: str
    value: Decimal
    identifier: str | None
    message: str

    def __str__(self) -> str:
        return (
            f"{self.account_id}, statement {self.statement_id}, {self.stripe_event_name} "
            f"{value_text(self.value)}: {self.message}"
        )


@dataclass(slots=True)
class PushResult:
    """Counts of meter events; `totals` are approved quantities by event name.

    `planned` were not delivered when the push began; each ends as `sent`, a duplicate (Stripe had
    it already), `settled` (found in Stripe's meter), or in `rejected` (not taken), `held`
    (nobody knows, a person must look), `uncertain` (unanswered, the next push repeats it) or
    `waiting` (not tried). `outside` counts meter totals of accounts without a Stripe customer whose
    statement leaves nothing to pay: Stripe never hears of them.
    """

    mode: Mode
    period: str | None
    pushed_at: datetime
    planned: int = 0
    sent: int = 0
    duplicates: int = 0
    settled: int = 0
    already_delivered: int = 0
    waiting: int = 0
    outside: int = 0
    rejected: list[PushProblem] = field(default_factory=list)
    held: list[PushProblem] = field(default_factory=list)
    uncertain: list[PushProblem] = field(default_factory=list)
    created_meters: list[str] = field(default_factory=list)
    outbox: list[Path] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    stopped: str | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do (without a client: nothing stands in the way)."""
        stuck = self.rejected or self.held or self.uncertain or self.stopped
        return not stuck and (self.mode != "sent" or self.waiting == 0)

    def lines(self) -> list[str]:
        """The result in plain lines for people, most important first."""
        text: list[str] = []
        if self.mode == "sent":
            text.append(
                f"push: {self.sent} meter events sent, {self.duplicates} Stripe had already, "
                f"{self.settled} found in Stripe's meters, {self.already_delivered} delivered "
                "before"
            )
        elif self.mode == "dry_run":
            text.append(f"push (dry run): {self.planned} meter events would be sent; nothing was")
        else:
            text.append(
                f"push: STRIPE_SECRET_KEY is not set, nothing was sent; {self.planned} meter "
                f"events written to {', '.join(map(str, self.outbox)) or 'no file (none to send)'}"
            )
        for name, total in sorted(self.totals.items()):
            text.append(f"  {name}: {value_text(total)} approved")
        if self.outside:
            text.append(
                f"  {self.outside} meter totals stay here: their accounts have no Stripe customer "
                "and nothing to pay"
            )
        text.extend(f"  created meter {name} in Stripe" for name in self.created_meters)
        for label, problems in (
            ("rejected", self.rejected),
            ("held", self.held),
            ("unanswered", self.uncertain),
        ):
            text.extend(f"  {label}: {problem}" for problem in problems)
        if self.stopped:
            text.append(f"  stopped: {self.stopped}; {self.waiting} meter events were not tried")
        return text

    def to_json(self) -> dict[str, Any]:
        """The result as JSON-ready values; quantities are fixed-point texts."""

        def plain(problem: PushProblem) -> dict[str, Any]:
            return {
                "statement_id": problem.statement_id,
                "account_id": problem.account_id,
                "stripe_event_name": problem.stripe_event_name,
                "value": value_text(problem.value),
                "identifier": problem.identifier,
                "message": problem.message,
            }

        return {
            "mode": self.mode,
            "period": self.period,
            "complete": self.complete,
            "planned": self.planned,
            "sent": self.sent,
            "duplicates": self.duplicates,
            "settled": self.settled,
            "already_delivered": self.already_delivered,
            "waiting": self.waiting,
            "outside": self.outside,
            "rejected": [plain(problem) for problem in self.rejected],
            "held": [plain(problem) for problem in self.held],
            "uncertain": [plain(problem) for problem in self.uncertain],
            "created_meters": list(self.created_meters),
            "outbox": [str(path) for path in self.outbox],
            "totals": {name: value_text(total) for name, total in sorted(self.totals.items())},
            "stopped": self.stopped,
        }
