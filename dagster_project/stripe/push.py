"""Send approved totals to Stripe, exactly once, through any number of crashes and time-outs.

Every event is written down before anything is sent, every attempt before it is made, every answer
before the next. What an attempt without an answer did is found out by repeating the same bytes
while Stripe still recognises them, and by reading Stripe's meter afterwards.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from filelock import FileLock, Timeout
from stripe import StripeClient

from dagster_project.ledger import Answer, Approval, Intent, Ledger
from dagster_project.stripe.delivery import Outcome, Sender, Stop, Task
from dagster_project.stripe.history import History, histories
from dagster_project.stripe.meters import ensure_meters
from dagster_project.stripe.outbox import outbox_file, write_outbox
from dagster_project.stripe.pace import Clock, Sleep, TokenBucket
from dagster_project.stripe.planning import EXACT, Need, intents_for, needs
from dagster_project.stripe.result import Mode, PushProblem, PushResult
from ingest.errors import MeterhouseError, PushIncomplete, UsageError

__all__ = ["Plan", "PushProblem", "PushResult", "decide", "plan", "push"]

Progress = Callable[[int, int], None]

# A sandbox account allows 25 operations a second, a live one 1000: this fits both.
CALLS_PER_SECOND = 20
WORKERS = 4
OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is owed to Stripe: events planned before, events to plan now, needs nobody can send.

    `outside` are the needs of accounts that Stripe does not know and that have nothing to pay.
    """

    standing: list[Intent]
    new: list[Intent]
    blocked: list[Need]
    outside: list[Need]
    totals: dict[str, Decimal]

    @property
    def intents(self) -> list[Intent]:
        """All events, in the order in which they are sent."""
        return [*self.standing, *self.new]


def plan(
    ledger: Ledger,
    now: datetime,
    period: str | None = None,
    customers: Mapping[str, str | None] | None = None,
) -> Plan:
    """The meter events that the approvals (of one period, `YYYY-MM`, or all) call for.

    Writes nothing. The Stripe customer of an approval is the one approved with it, else the one
    that `customers` gives the account now. `MeterhouseError` when the ledger's lines are not what
    was approved, or its events do not add up to them.
    """
    ledger.verify()
    approvals = [item for item in ledger.approvals() if period in (None, item.period)]
    planned: dict[tuple[str, str, str], list[Intent]] = {}
    for intent in ledger.intents():
        place = (intent.approval_id, intent.stripe_event_name, intent.meter_id or "")
        planned.setdefault(place, []).append(intent)
    found = Plan([], [], [], [], {})
    for need in needs(approvals, ledger.lines()):
        name = need.stripe_event_name
        standing = planned.get((need.approval.approval_id, name, need.meter_id or ""))
        customer = _customer(need.approval, customers)
        if not standing and not customer and need.approval.total_minor <= 0:
            found.outside.append(need)
            continue
        found.totals[name] = EXACT.add(found.totals.get(name, Decimal(0)), need.quantity)
        if standing:
            _check_sum(need, standing)
            found.standing.extend(standing)
        elif customer:
            found.new.extend(intents_for(need, customer, now))
        else:
            found.blocked.append(need)
    return found


def push(
    ledger: Ledger,
    client: StripeClient | None,
    now: datetime,
    period: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    *,
    home: Path,
    customers: Mapping[str, str | None] | None = None,
    create_meters: bool = False,
    workers: int = WORKERS,
    calls_per_second: int = CALLS_PER_SECOND,
    sleep: Sleep = time.sleep,
) -> PushResult:
    """Deliver every approved total that Stripe does not have yet.

    Without a client the events are written to `<home>/outbox/` and nothing is marked as sent; a
    dry run only counts. `customers` maps account ids to Stripe customers for approvals that came
    without one. `create_meters` first creates the meters that Stripe lacks. `progress` is called
    with events done and events in all. One push at a time: `PushIncomplete` when another runs.
    """
    if dry_run:
        owed = plan(ledger, now, period, customers)
        return _result("dry_run", period, now, owed, histories(ledger.answers()))
    with _alone(home):
        owed = plan(ledger, now, period, customers)
        past = histories(ledger.answers())
        if client is None:
            result = _result("outbox", period, now, owed, past)
            result.outbox = _write_outboxes(home, ledger, owed.intents, past)
            return result
        result = _result("sent", period, now, owed, past)
        open_events = _undelivered(owed.intents, past)
        if create_meters:
            names = {intent.stripe_event_name for intent in open_events}
            result.created_meters = ensure_meters(client, names)
        ledger.plan_intents(owed.new)
        _deliver_all(
            ledger,
            client,
            Clock(now),
            result,
            open_events,
            past,
            progress,
            workers,
            calls_per_second,
            sleep,
        )
        _refresh_outboxes(home, ledger, owed.intents, past)
    return result


def decide(
    ledger: Ledger, identifier: str, *, delivered: bool, by: str, now: datetime, home: Path
) -> Answer:
    """Record what a person found out about an event that is held, and return the answer.

    `delivered`: it is in Stripe, and is never sent again; else it is not, and the next push sends
    it. `UsageError` for an event that is not in doubt: nobody overrules what Stripe has said.
    """
    with _alone(home):
        found = [item for item in ledger.intents() if item.identifier == identifier]
        past = histories(ledger.answers())
        if not found or past.get(found[0].intent_id, History()).uncertain_since is None:
            raise UsageError(
                f"push: meter event {identifier!r} is not in doubt; `push` lists those that are"
            )
        intent = found[0]
        return ledger.record_answer(
            intent.intent_id,
            "accepted" if delivered else "rejected",
            now,
            step=past[intent.intent_id].steps + 1,
            message=f"{by} found it {'counted' if delivered else 'not counted'} in Stripe",
        )


def _deliver_all(
    ledger: Ledger,
    client: StripeClient,
    clock: Clock,
    result: PushResult,
    open_events: list[Intent],
    past: dict[str, History],
    progress: Progress | None,
    workers: int,
    calls_per_second: int,
    sleep: Sleep,
) -> None:
    stop = Stop()
    reported: set[str] = set()
    lock = threading.Lock()

    def report(intent: Intent, outcome: Outcome, message: str) -> None:
        with lock:
            _count(result, intent, outcome, message)
            reported.add(intent.intent_id)
            if progress:
                progress(len(reported), len(open_events))

    sender = Sender(
        ledger, client, clock, TokenBucket(calls_per_second, sleep), sleep, stop, report
    )
    wanted = {intent.intent_id for intent in open_events}
    # A history belongs to one group, and a group to one thread.
    tasks = [
        Task(group, wanted, {item.intent_id: past.get(item.intent_id, History()) for item in group})
        for group in _groups(open_events, ledger.intents())
    ]
    try:
        if workers <= 1:
            for task in tasks:
                sender.deliver(task)
        else:
            _in_threads(sender, tasks, stop, workers)
    finally:
        for task in tasks:
            past.update(task.histories)
        result.stopped = stop.reason
        result.waiting = len(open_events) - len(reported)


def _in_threads(sender: Sender, tasks: list[Task], stop: Stop, workers: int) -> None:
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="push") as pool:
        running = [pool.submit(sender.deliver, task) for task in tasks]
        try:
            for future in running:
                future.result()
        except BaseException as error:
            # The others finish the event they are at, so that every answer is written down.
            stop.reason = stop.reason or f"{type(error).__name__}: {error}"
            raise


def _groups(open_events: Iterable[Intent], everything: Iterable[Intent]) -> list[list[Intent]]:
    """Every event ever planned for each customer and meter that has open ones.

    Stripe wants the events of one customer and meter one after the other, and what its meter shows
    is only understood with all of them at hand.
    """
    groups: dict[tuple[str, str], list[Intent]] = {_group_key(item): [] for item in open_events}
    for intent in everything:
        if _group_key(intent) in groups:
            groups[_group_key(intent)].append(intent)
    return list(groups.values())


def _group_key(intent: Intent) -> tuple[str, str]:
    return (intent.stripe_customer_id, intent.stripe_event_name)


def _count(result: PushResult, intent: Intent, outcome: Outcome, message: str) -> None:
    if outcome == "sent":
        result.sent += 1
    elif outcome == "duplicate":
        result.duplicates += 1
    elif outcome == "settled":
        result.settled += 1
    else:
        problems = {
            "rejected": result.rejected,
            "held": result.held,
            "uncertain": result.uncertain,
        }[outcome]
        problems.append(
            PushProblem(
                intent.statement_id,
                intent.account_id,
                intent.stripe_event_name,
                intent.value,
                intent.identifier,
                message,
            )
        )


def _result(
    mode: Mode,
    period: str | None,
    now: datetime,
    owed: Plan,
    past: Mapping[str, History],
) -> PushResult:
    open_events = _undelivered(owed.intents, past)
    result = PushResult(mode, period, now, planned=len(open_events), totals=dict(owed.totals))
    result.already_delivered = len(owed.intents) - len(open_events)
    result.waiting = len(open_events)
    result.outside = len(owed.outside)
    for need in owed.blocked:
        result.rejected.append(
            PushProblem(
                need.approval.statement_id,
                need.approval.account_id,
                need.stripe_event_name,
                need.quantity,
                None,
                "the account has no stripe_customer_id; add it to accounts.csv, run, push again",
            )
        )
    return result


def _undelivered(intents: Iterable[Intent], past: Mapping[str, History]) -> list[Intent]:
    return [item for item in intents if not past.get(item.intent_id, History()).delivered]


def _write_outboxes(
    home: Path, ledger: Ledger, intents: Iterable[Intent], past: Mapping[str, History]
) -> list[Path]:
    periods = {item.approval_id: item.period for item in ledger.approvals()}
    by_period: dict[str, list[Intent]] = {}
    for intent in _undelivered(intents, past):
        by_period.setdefault(periods[intent.approval_id], []).append(intent)
    return [
        write_outbox(home / OUTBOX, period, found) for period, found in sorted(by_period.items())
    ]


def _refresh_outboxes(
    home: Path, ledger: Ledger, intents: list[Intent], past: Mapping[str, History]
) -> None:
    """Take what is delivered now out of files that an earlier push without a client left."""
    periods = {item.approval_id: item.period for item in ledger.approvals()}
    for period in sorted({periods[intent.approval_id] for intent in intents}):
        if outbox_file(home / OUTBOX, period).exists():
            left = [item for item in intents if periods[item.approval_id] == period]
            write_outbox(home / OUTBOX, period, _undelivered(left, past))


def _customer(approval: Approval, customers: Mapping[str, str | None] | None) -> str | None:
    return approval.stripe_customer_id or (customers or {}).get(approval.account_id)


def _check_sum(need: Need, standing: Iterable[Intent]) -> None:
    total = Decimal(0)
    for intent in standing:
        total = EXACT.add(total, intent.value)
    if total != need.quantity:
        raise MeterhouseError(
            f"ledger, statement {need.approval.statement_id}, {need.stripe_event_name}: events of "
            f"{total:f} are planned where {need.quantity:f} is approved; restore the ledger from a "
            "backup"
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "push.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise PushIncomplete(
            f"push: another push is running on {home} ({home / 'push.lock'}); nothing was sent, "
            "wait until it ends"
        ) from error
    try:
        yield
    finally:
        lock.release()
