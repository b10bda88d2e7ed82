"""Queries of the ledger. Nothing here updates or deletes; several processes may use it at once."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Select, Table, create_engine, event, func, insert, select
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError

from dagster_project.ledger import schema
from dagster_project.ledger.statements import (
    TOTAL_COLUMNS,
    check_arithmetic,
    credit_row,
    line_row,
    period_of,
    statement_digest,
    tier_row,
    time_text,
    time_value,
)
from ingest.errors import MeterhouseError, UsageError

AnswerState = Literal["sending", "accepted", "duplicate", "rejected", "indeterminate"]

_BUSY_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class Approval:
    """One approved statement; times UTC, amounts in minor units."""

    approval_id: str
    statement_id: str
    account_id: str
    subscription_id: str | None
    period: str
    period_start: datetime
    period_end: datetime
    currency: str
    subtotal_minor: int
    credits_minor: int
    total_minor: int
    digest: str
    approved_by: str
    approved_at: datetime
    note: str | None
    stripe_customer_id: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One frozen line of an approved statement."""

    approval_id: str
    charge_id: str
    statement_id: str
    account_id: str
    subscription_id: str | None
    plan_id: str | None
    plan_version: str | None
    charge_key: str | None
    meter_id: str | None
    period_start: datetime
    period_end: datetime
    charge_class: str
    quantity: Decimal | None
    amount: Decimal
    amount_minor: int
    currency: str
    corrects_charge_id: str | None
    stripe_event_name: str | None


@dataclass(frozen=True, slots=True)
class Intent:
    """One meter event as every attempt will send it; `event_timestamp` in unix seconds."""

    intent_id: str
    approval_id: str
    statement_id: str
    account_id: str
    meter_id: str | None
    stripe_event_name: str
    stripe_customer_id: str
    period_start: datetime
    period_end: datetime
    value: Decimal
    event_timestamp: int
    identifier: str
    idempotency_key: str
    created_at: datetime
    part: int
    revision: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One step in the life of an intent; `step` counts from 1 within the intent."""

    answer_id: int
    intent_id: str
    state: AnswerState
    at: datetime
    http_status: int | None
    request_id: str | None
    message: str | None
    step: int
    idempotency_key: str | None


_Row = TypeVar("_Row", Approval, Line, Intent, Answer)
_TIMES = frozenset({"period_start", "period_end", "approved_at", "created_at", "at"})
_DECIMALS = frozenset({"quantity", "amount", "value"})


class Ledger:
    """The ledger behind a SQLAlchemy URL; creates its tables when they are missing.

    SQLite by default (write-ahead log, one writer at a time, durable at commit). Raises
    `UsageError` when the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            with self._writing() as connection:
                if _schema_version(connection) < schema.SCHEMA_VERSION:
                    schema.create(connection)
        except DatabaseError as error:
            raise UsageError(f"ledger {self._where}: cannot be opened: {error.orig}") from error

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()

    def approve(
        self,
        statements: Iterable[Mapping[str, Any]],
        by: str,
        note: str | None,
        now: datetime,
    ) -> list[Approval]:
        """Record the approval of closed statements, all or none, and return their approvals.

        A statement is a mapping with `statement_id, account_id, subscription_id, period_start,
        period_end, currency, subtotal_minor, credits_minor, total_minor`, optionally `period`
        (`YYYY-MM`) and `stripe_customer_id`, and the row lists `lines` (columns of `fct_charges`
        and `stripe_event_name`), `tiers` (`fct_charge_tiers`) and `credits`
        (`fct_credit_burndown`). Repeating an approval returns the one that stands. `UsageError`
        when a statement does not add up or was approved with other content.
        """
        if not by.strip():
            raise UsageError("approve: the approver's name is empty; give --by NAME")
        prepared = [_prepare(statement, by, note, now) for statement in statements]
        approved: list[Approval] = []
        with self._writing() as connection:
            for approval, rows in prepared:
                standing = _one_approval(connection, approval["statement_id"])
                if standing is None:
                    connection.execute(insert(schema.approvals), approval)
                    for table, table_rows in rows.items():
                        if table_rows:
                            connection.execute(insert(table), table_rows)
                    standing = _record(Approval, approval)
                elif standing.digest != approval["digest"]:
                    raise UsageError(
                        f"statement {standing.statement_id}: approved by {standing.approved_by} at "
                        f"{time_text(standing.approved_at)} with other content (digest "
                        f"{standing.digest[:12]}, now {approval['digest'][:12]}); an approved "
                        "statement never changes, the difference belongs on the next open one"
                    )
                approved.append(standing)
        return approved

    def approvals(self, as_of: datetime | None = None) -> list[Approval]:
        """Every approval, oldest period first; with `as_of` only those made by then."""
        query = select(schema.approvals).order_by(
            schema.approvals.c.period_start, schema.approvals.c.statement_id
        )
        if as_of is not None:
            query = query.where(schema.approvals.c.approved_at <= time_text(as_of))
        return self._read(Approval, query)

    def lines(self) -> list[Line]:
        """Every line of every approved statement, ordered by approval and charge."""
        table = schema.lines
        return self._read(Line, select(table).order_by(table.c.approval_id, table.c.charge_id))

    def intents(self) -> list[Intent]:
        """Every planned meter event, ordered by approval, event name, meter and part."""
        table = schema.intents
        return self._read(
            Intent,
            select(table).order_by(
                table.c.period_start,
                table.c.approval_id,
                table.c.stripe_event_name,
                table.c.meter_id,
                table.c.part,
                table.c.revision,
            ),
        )

    def answers(self) -> list[Answer]:
        """Every answer in the order in which it was recorded."""
        return self._read(Answer, select(schema.answers).order_by(schema.answers.c.answer_id))

    def plan_intents(self, intents: Iterable[Intent]) -> list[Intent]:
        """Write intents that are not there yet, in one transaction, and return those written.

        An intent that is there with other content raises `MeterhouseError`: what was once meant to
        be sent is never meant differently.
        """
        written: list[Intent] = []
        with self._writing() as connection:
            table = schema.intents
            standing = {
                row.intent_id: row.identifier
                for row in connection.execute(select(table.c.intent_id, table.c.identifier))
            }
            for intent in intents:
                identifier = standing.get(intent.intent_id)
                if identifier is None:
                    connection.execute(insert(table), _columns(intent))
                    written.append(intent)
                elif identifier != intent.identifier:
                    raise MeterhouseError(
                        f"ledger, intent {intent.intent_id}: planned before with another customer, "
                        "value or time; nothing was sent, look at the account's Stripe customer"
                    )
        return written

    def record_answer(
        self,
        intent_id: str,
        state: AnswerState,
        at: datetime,
        *,
        step: int | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        message: str | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Append and commit one answer; returns it.

        `step` is the number that the caller expects this answer to have. When another process has
        written in between, `MeterhouseError` is raised and nothing is recorded.
        """
        table = schema.answers
        with self._writing() as connection:
            highest = select(func.coalesce(func.max(table.c.step), 0)).where(
                table.c.intent_id == intent_id
            )
            next_step = int(connection.execute(highest).scalar_one()) + 1
            if step is not None and step != next_step:
                raise _collision(intent_id)
            row: dict[str, Any] = {
                "intent_id": intent_id,
                "state": state,
                "at": time_text(at),
                "http_status": http_status,
                "request_id": request_id,
                "message": message,
                "step": next_step,
                "idempotency_key": idempotency_key,
            }
            try:
                inserted = connection.execute(insert(table), row).inserted_primary_key
            except IntegrityError as error:
                raise _collision(intent_id) from error
        return _record(Answer, {**row, "answer_id": inserted[0] if inserted else 0})

    def export_rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of one ledger table as stored (texts and whole numbers), ordered by its key."""
        if table not in schema.metadata.tables:
            raise UsageError(f"ledger: no table {table!r}; one of {', '.join(schema.TABLE_NAMES)}")
        chosen = schema.metadata.tables[table]
        query = select(chosen).order_by(*chosen.primary_key.columns)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def verify(self) -> None:
        """Raise `MeterhouseError` unless every approval still has the digest of its rows."""
        by_approval: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for name in ("lines", "credits"):
            for row in self.export_rows(name):
                by_approval.setdefault(row["approval_id"], {}).setdefault(name, []).append(row)
        for approval in self.export_rows("approvals"):
            rows = by_approval.get(approval["approval_id"], {})
            found = statement_digest(rows.get("lines", []), rows.get("credits", []), approval)
            if found != approval["digest"]:
                raise MeterhouseError(
                    f"ledger {self._where}, statement {approval['statement_id']}: its rows are not "
                    "what was approved (digest differs); restore the ledger from a backup"
                )

    @property
    def _where(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self._engine.connect().execution_options(ledger_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def _read(self, kind: type[_Row], query: Select[Any]) -> list[_Row]:
        with self._engine.connect() as connection:
            return [_record(kind, dict(row)) for row in connection.execute(query).mappings()]


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        raise UsageError(
            f"METERHOUSE_LEDGER_URL: {error}; give a SQLAlchemy URL, such as sqlite:////path/file"
        ) from error
    if engine.dialect.name == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin late; `_begin_sqlite` begins instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: two that read before they write would otherwise deadlock.
    writes = connection.get_execution_options().get("ledger_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_version(connection: Connection) -> int:
    """The version of the tables that are there; 0 when that is not known."""
    if connection.dialect.name != "sqlite":
        return 0
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > schema.SCHEMA_VERSION:
        raise UsageError(
            f"ledger {connection.engine.url.database}: written by a newer version (schema "
            f"{version}, this one knows {schema.SCHEMA_VERSION}); install that version"
        )
    return version


def _prepare(
    statement: Mapping[str, Any], by: str, note: str | None, now: datetime
) -> tuple[dict[str, Any], dict[Table, list[dict[str, Any]]]]:
    statement_id = str(statement.get("statement_id"))
    required = (*TOTAL_COLUMNS, "account_id", "subscription_id", "period_start", "period_end")
    missing = [name for name in required if name not in statement]
    if missing:
        raise UsageError(f"statement {statement_id}: no {', '.join(missing)}")
    lines = [line_row(statement_id, line) for line in statement.get("lines", [])]
    tiers = [tier_row(statement_id, tier) for tier in statement.get("tiers", [])]
    credits = [credit_row(statement_id, credit) for credit in statement.get("credits", [])]
    check_arithmetic(statement, lines, tiers, credits)
    digest = statement_digest(lines, credits, statement)
    approval_id = "ap_" + hashlib.sha256(f"{statement_id}|{digest}".encode()).hexdigest()[:40]
    approval = {
        "approval_id": approval_id,
        "statement_id": statement_id,
        "account_id": str(statement["account_id"]),
        "subscription_id": statement["subscription_id"],
        "period": period_of(statement),
        "period_start": time_text(statement["period_start"]),
        "period_end": time_text(statement["period_end"]),
        "currency": str(statement["currency"]),
        "subtotal_minor": int(statement["subtotal_minor"]),
        "credits_minor": int(statement["credits_minor"]),
        "total_minor": int(statement["total_minor"]),
        "digest": digest,
        "approved_by": by.strip(),
        "approved_at": time_text(now),
        "note": note,
        "stripe_customer_id": statement.get("stripe_customer_id") or None,
    }
    owner = {"approval_id": approval_id}
    return approval, {
        schema.lines: [{**owner, **row} for row in lines],
        schema.tiers: [{**owner, **row} for row in tiers],
        schema.credits: [{**owner, "statement_id": statement_id, **row} for row in credits],
    }


def _one_approval(connection: Connection, statement_id: str) -> Approval | None:
    query = select(schema.approvals).where(schema.approvals.c.statement_id == statement_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _record(Approval, dict(row))


def _record(kind: type[_Row], row: Mapping[str, Any]) -> _Row:
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = row[field.name]
        if value is not None and field.name in _TIMES:
            value = time_value(value)
        elif value is not None and field.name in _DECIMALS:
            value = Decimal(value)
        values[field.name] = value
    return kind(**values)


def _columns(intent: Intent) -> dict[str, Any]:
    row: dict[str, Any] = {field.name: getattr(intent, field.name) for field in fields(intent)}
    for name in ("period_start", "period_end", "created_at"):
        row[name] = time_text(row[name])
    row["value"] = format(intent.value, "f")
    return row


def _collision(intent_id: str) -> MeterhouseError:
    return MeterhouseError(
        f"ledger, intent {intent_id}: another push is answering it right now; let it finish"
    )
