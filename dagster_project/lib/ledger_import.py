"""Copies of the ledger in the warehouse: the ledger is a source like any other."""

from pathlib import Path
from typing import Any

import duckdb

from ingest.schema import LEDGER_TABLES
from ingest.settings import Settings

_VIEWS = (
    """
    create or replace view ops.approvals as
    select
        approval_id, statement_id, account_id, subscription_id, period,
        period_start::timestamptz as period_start, period_end::timestamptz as period_end,
        currency, subtotal_minor, credits_minor, total_minor, digest,
        approved_by, approved_at::timestamptz as approved_at, note
    from raw.ledger_approvals
    """,
    """
    create or replace view ops.pushes as
    select
        intents.intent_id, intents.approval_id, intents.statement_id, intents.account_id,
        intents.meter_id, intents.stripe_event_name, intents.stripe_customer_id,
        intents.period_start::timestamptz as period_start,
        intents.period_end::timestamptz as period_end,
        intents.value::decimal(38, 12) as value, intents.event_timestamp, intents.identifier,
        coalesce(answers.state, 'intended') as state,
        answers.at::timestamptz as answered_at, answers.http_status, answers.request_id,
        answers.message
    from raw.ledger_intents as intents
    left join (
        select * from raw.ledger_answers
        qualify row_number() over (partition by intent_id order by answer_id desc) = 1
    ) as answers on intents.intent_id = answers.intent_id
    """,
)


def import_ledger(con: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """Replace the raw.ledger_* tables with what the ledger holds; returns rows a table.

    A SQLite ledger that does not exist yet is an empty one. Approvals are read before what belongs
    to them: what is appended meanwhile has no parent here and waits for the next run.
    """
    content = _read_ledger(settings)
    con.execute("begin")
    for table, rows in content.items():
        con.execute(f"delete from {table}")
        if rows:
            columns = _columns(table)
            values = ", ".join(f"unnest(?::{type_}[])" for _, type_ in columns)
            con.execute(
                f"insert into {table} select {values}",
                [[row[name] for row in rows] for name, _ in columns],
            )
    con.execute("commit")
    for view in _VIEWS:
        con.execute(view)
    return {table: len(rows) for table, rows in content.items()}


def _read_ledger(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    url = settings.ledger_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return {table: [] for table in LEDGER_TABLES}
    from dagster_project.ledger import Ledger

    ledger = Ledger(url)
    try:
        return {
            table: ledger.export_rows(table.removeprefix("raw.ledger_")) for table in LEDGER_TABLES
        }
    finally:
        ledger.close()


def _columns(table: str) -> list[tuple[str, str]]:
    # The schema text is ours: `name TYPE, name TYPE`; no type in the ledger's tables has a comma.
    words = (part.split() for part in LEDGER_TABLES[table].split(","))
    return [(name.strip('"'), type_) for name, type_ in words]
