"""Meter events as files, in the shape that Stripe's bulk import of usage reads."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from dagster_project.ledger import Intent
from dagster_project.stripe.planning import value_text


def outbox_file(folder: Path, period: str) -> Path:
    """Where the events of one period are written."""
    return folder / f"meter_events_{period}.jsonl"


def write_outbox(folder: Path, period: str, intents: Iterable[Intent]) -> Path:
    """Write the events of one period, replacing the file as a whole; the same bytes every time.

    One JSON object a line: `identifier, timestamp, event_name, payload`; timestamp in unix seconds.
    """
    lines = sorted(
        (intent.stripe_event_name, intent.stripe_customer_id, intent.identifier, _line(intent))
        for intent in intents
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = outbox_file(folder, period)
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line[-1] for line in lines)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return path


def _line(intent: Intent) -> str:
    event = {
        "identifier": intent.identifier,
        "timestamp": intent.event_timestamp,
        "event_name": intent.stripe_event_name,
        "payload": {
            "stripe_customer_id": intent.stripe_customer_id,
            "value": value_text(intent.value),
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
