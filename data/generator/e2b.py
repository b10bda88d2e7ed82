"""E2B lifecycle events of the true runs, and the three ways in which they arrived.

Pushed: webhook captures, one file a day, signed over the exact body. Polled: a JSON array in the
camelCase shape that repeats what had been pushed. Dumped: the event table as CSV, the only trace
of the hours when the receiver was down.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from data.generator.clock import MILLI, SECOND, rfc3339, rfc3339_seconds
from data.generator.company import UNATTRIBUTED, Company
from data.generator.landing import Landing, compact
from data.generator.oddities import Oddity
from data.generator.seeded import Seeded
from data.generator.timeline import LAST_SEEN, OUTAGE, POLLED, E2BRun, Timeline

WEBHOOK_SECRET = "whsec_example"  # noqa: S105  of the sample only; signatures can be checked with it

PUSH_FOLDER = "e2b/webhooks"
POLL_FILE = "e2b/polls/events-sandboxes-2026-08-06.json"
DUMP_FILE = "e2b/table_dump/sandbox_events-2026-08-19.csv"
TRUNCATED_LINE_DAY = "2026-08-10"
NO_ZONE_DAY = "2026-08-11"


@dataclass(frozen=True)
class Event:
    event_id: str
    kind: str  # created, resumed, updated, checkpointed, paused, killed
    at: int
    run: E2BRun
    data: dict[str, Any]
    build_id: str


@dataclass(frozen=True)
class Delivery:
    received_at: int
    event: Event
    delivery_id: str


def signature(body: str) -> str:
    """base64(sha256(secret + body)) without padding: 43 characters."""
    digest = hashlib.sha256((WEBHOOK_SECRET + body).encode()).digest()
    return base64.b64encode(digest).decode().rstrip("=")


def write_e2b(
    seed: int, company: Company, timeline: Timeline, landing: Landing
) -> tuple[dict[str, int], list[Oddity]]:
    """Write all E2B files; return when each run's end was first known, and the oddities."""
    chance = Seeded(seed, "e2b")
    builds = {run.template.name: chance.uuid() for run in timeline.e2b}
    runs = sorted(timeline.e2b, key=lambda r: (r.start, r.execution_id))
    events = [event for run in runs for event in _events(run, builds[run.template.name], chance)]
    events.sort(key=lambda e: (e.at, e.event_id))
    dumped = [e for e in events if OUTAGE[0] <= e.at < OUTAGE[1]]
    polled = [
        e for e in events if POLLED[0] <= e.at < POLLED[1] and e.run.team == company.platform_team
    ]
    deliveries = _deliveries([e for e in events if not OUTAGE[0] <= e.at < OUTAGE[1]], chance)
    oddities = _write_pushes(deliveries, chance, landing)
    oddities += _write_poll(polled, landing)
    oddities += _write_dump(dumped, landing)

    known: dict[str, int] = {e.run.execution_id: e.at for e in (*dumped, *polled) if _is_end(e)}
    for delivery in deliveries:
        if _is_end(delivery.event):
            execution = delivery.event.run.execution_id
            known[execution] = min(known.get(execution, delivery.received_at), delivery.received_at)
    return known, oddities


def _is_end(event: Event) -> bool:
    return event.kind in ("paused", "killed")


def _events(run: E2BRun, build: str, chance: Seeded) -> list[Event]:
    metadata = {"sandbox_metadata": run.metadata} if run.metadata else {}

    def event(kind: str, at: int, data: dict[str, Any]) -> Event:
        return Event(chance.uuid(), kind, at, run, {**metadata, **data}, build)

    found = [event("resumed" if run.resumed else "created", run.started_event_at, {})]
    for said_at, deadline in run.set_timeouts:
        found.append(event("updated", said_at, {"set_timeout": rfc3339(deadline)}))
    found += [event("checkpointed", at, {}) for at in run.checkpoints]
    if run.end is not None:
        milliseconds = (
            (run.end - run.start) // MILLI if run.reported_ms is None else run.reported_ms
        )
        execution = {
            "started_at": rfc3339_seconds(run.end - milliseconds * MILLI),
            "vcpu_count": run.template.vcpu,
            "memory_mb": run.template.memory_mib,
            "execution_time": milliseconds,
        }
        if run.paused_at_end:
            found.append(event("paused", run.end, {"execution": execution}))
        else:
            reason = {"kill_reason": run.kill_reason}
            found.append(event("killed", run.end, {"execution": execution, **reason}))
    return [e for e in found if e.at < LAST_SEEN]


_LABELS = {
    "created": "create",
    "resumed": "resume",
    "updated": "update",
    "checkpointed": "",
    "paused": "pause",
    "killed": "kill",
}


def _payload(event: Event) -> dict[str, Any]:
    """The event as it is emitted today (snake_case); `event_data` is left out when empty."""
    run = event.run
    return {
        "id": event.event_id,
        "version": "v2",
        "type": f"sandbox.lifecycle.{event.kind}",
        "timestamp": rfc3339(event.at),
        "event_category": "lifecycle",
        "event_label": _LABELS[event.kind],
        **({"event_data": event.data} if event.data else {}),
        "sandbox_id": run.sandbox_id,
        "sandbox_execution_id": run.execution_id,
        "sandbox_template_id": run.template.name,
        "sandbox_build_id": event.build_id,
        "sandbox_team_id": run.team,
        "events_ttl_days": 7,
    }


def _deliveries(events: list[Event], chance: Seeded) -> list[Delivery]:
    """First deliveries and retries, in the order received."""
    ends = {e.run.execution_id: e.at for e in events if _is_end(e)}
    found: list[Delivery] = []
    for event in events:
        run = event.run
        received = event.at + chance.between(180 * MILLI, 2400 * MILLI)
        repeats = 0
        if _is_end(event):
            received += run.end_delay
            repeats = run.repeats_of_end
        elif event.kind in ("created", "resumed"):
            repeats = run.repeats_of_start
            if run.start_after_end and run.execution_id in ends:
                received = ends[run.execution_id] + chance.between(3 * SECOND, 9 * SECOND)
        for attempt in range(repeats + 1):
            # Ten seconds apart, each attempt with its own delivery id.
            at = received + attempt * (10 * SECOND + chance.between(0, 300 * MILLI))
            found.append(Delivery(at, event, chance.uuid()))
    return sorted(found, key=lambda d: (d.received_at, d.delivery_id))


def _capture(received_at: int, body: str, webhook_id: str, delivery_id: str) -> str:
    headers = {
        "content-type": "application/json",
        "e2b-webhook-id": webhook_id,
        "e2b-delivery-id": delivery_id,
        "e2b-signature-version": "v1",
        "e2b-signature": signature(body),
    }
    return compact({"received_at": rfc3339(received_at), "headers": headers, "body": body})


def _write_pushes(deliveries: list[Delivery], chance: Seeded, landing: Landing) -> list[Oddity]:
    webhook_ids = {team: chance.uuid() for team in sorted({d.event.run.team for d in deliveries})}
    days: dict[str, list[tuple[int, str]]] = {}
    for d in deliveries:
        line = _capture(
            d.received_at, compact(_payload(d.event)), webhook_ids[d.event.run.team], d.delivery_id
        )
        days.setdefault(rfc3339(d.received_at)[:10], []).append((d.received_at, line))

    # An event whose time has no zone cannot be placed: it says nothing that usage depends on.
    subject = next(
        d
        for d in deliveries
        if rfc3339(d.received_at)[:10] == NO_ZONE_DAY and d.event.kind == "created"
    )
    stray = replace(subject.event, event_id=chance.uuid(), kind="updated")
    body = compact(
        {
            **_payload(stray),
            "event_data": {"set_timeout": "2026-08-11T18:00:00Z"},
            "timestamp": rfc3339(subject.event.at + 3 * SECOND)[:-1],
        }
    )
    no_zone = _capture(
        subject.received_at + 3 * SECOND, body, webhook_ids[stray.run.team], chance.uuid()
    )
    days[NO_ZONE_DAY].append((subject.received_at + 3 * SECOND, no_zone))
    days[NO_ZONE_DAY].sort(key=lambda item: item[0])

    # The capture writer died in the middle of a line and wrote the record again when it came back.
    broken_at = 4
    received, whole = days[TRUNCATED_LINE_DAY][broken_at]
    days[TRUNCATED_LINE_DAY].insert(broken_at, (received, whole[: len(whole) * 3 // 5]))

    oddities: list[Oddity] = []
    for day, lines in sorted(days.items()):
        # The most recent files are still plain; older ones have been compressed.
        suffix = "" if day >= "2026-08-31" or day == TRUNCATED_LINE_DAY else ".gz"
        path = f"{PUSH_FOLDER}/{day[:7]}/{day}.ndjson{suffix}"
        landing.add_lines(path, [line for _, line in lines])
        if day == TRUNCATED_LINE_DAY:
            landing.reject(path, broken_at + 1, "truncated_json")
            oddities.append(
                Oddity("truncated_json_line", UNATTRIBUTED, path, f"line {broken_at + 1}")
            )
        if day == NO_ZONE_DAY:
            number = [line for _, line in lines].index(no_zone) + 1
            landing.reject(path, number, "timestamp_without_zone")
            oddities.append(Oddity("timestamp_without_zone", UNATTRIBUTED, stray.event_id, path))
    return oddities


def _write_poll(events: list[Event], landing: Landing) -> list[Oddity]:
    """Newest first, camelCase, `eventData` null when there is none."""
    rows = []
    for event in reversed(events):
        run = event.run
        rows.append(
            {
                "id": event.event_id,
                "version": "v1",
                "type": f"sandbox.lifecycle.{event.kind}",
                "timestamp": rfc3339(event.at),
                "eventCategory": "lifecycle",
                "eventLabel": _LABELS[event.kind],
                "eventData": event.data or None,
                "sandboxId": run.sandbox_id,
                "sandboxExecutionId": run.execution_id,
                "sandboxTemplateId": run.template.name,
                "sandboxBuildId": event.build_id,
                "sandboxTeamId": run.team,
            }
        )
    text = "[\n" + ",\n".join(compact(row) for row in rows) + "\n]\n"
    landing.add(POLL_FILE, text, len(rows))
    return [Oddity("push_and_poll", UNATTRIBUTED, POLL_FILE, f"{len(rows)} events, all pushed too")]


def _write_dump(events: list[Event], landing: Landing) -> list[Oddity]:
    """The table's own columns; `event_data` is a JSON string, possibly "null"."""
    header = [
        "timestamp",
        "sandbox_id",
        "sandbox_execution_id",
        "sandbox_template_id",
        "sandbox_build_id",
        "sandbox_team_id",
        "event_category",
        "event_label",
        "type",
        "version",
        "event_data",
        "id",
        "events_ttl_days",
    ]
    rows = []
    for event in events:
        run = event.run
        nanoseconds = f"{rfc3339(event.at)[:19]}.{event.at % SECOND:06d}000Z"
        rows.append(
            [
                nanoseconds,
                run.sandbox_id,
                run.execution_id,
                run.template.name,
                event.build_id,
                run.team,
                "lifecycle",
                _LABELS[event.kind],
                f"sandbox.lifecycle.{event.kind}",
                "v2",
                compact(event.data) if event.data else "null",
                event.event_id,
                "7",
            ]
        )
    landing.add_csv(DUMP_FILE, header, rows)
    gap = f"{len(rows)} events that were never pushed"
    return [Oddity("gap_filled_by_table_dump", UNATTRIBUTED, DUMP_FILE, gap)]
