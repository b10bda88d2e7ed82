"""Reference files by hand: accounts, links, subscriptions, credits, corrections, exchange rates.

They are small, so every record takes the careful path. Only the content that stands in the landing
zone now counts; staging reads current loads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from pydantic import BeforeValidator, ValidationError, model_validator

from ingest.quarantine import BadRecord, Unreadable
from ingest.reading import NUMBER, RAW, csv_batches
from ingest.records import TIMESTAMP, Loaded, insert_rows
from ingest.values import (
    AnyTime,
    OptionalText,
    OptionalTime,
    Record,
    Text,
    decimal,
    is_absent,
    one_reason,
    optional_decimal,
    optional_whole,
    read_text,
    read_time,
    shown,
    time_text,
)

DEFAULT_PRIORITY = 50
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_MATCH_KEY = re.compile(r"metadata:.+|project|account", re.DOTALL)
_DAY_OF_MONTH = re.compile(r"[1-9]|[12]\d|3[01]", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _currency(value: object) -> str:
    if is_absent(value):
        return "usd"
    text = read_text(value)
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"must be three letters, not {shown(text)}")
    return text.lower()


def _timezone(value: object) -> str:
    if is_absent(value):
        return "UTC"
    text = read_text(value)
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"is not an IANA time zone: {shown(text)}") from error
    return text


def _match_key(value: object) -> str:
    text = read_text(value)
    if not _MATCH_KEY.fullmatch(text):
        raise ValueError(f"must be metadata:<key>, project or account, not {shown(text)}")
    return text


def _billing_anchor(value: object) -> str | None:
    if is_absent(value):
        return None
    text = read_text(value)
    if _DAY_OF_MONTH.fullmatch(text):
        return text
    try:
        if _DATE.fullmatch(text):
            datetime.fromisoformat(text)
        else:
            read_time(text)
    except ValueError as error:
        raise ValueError(
            f"must be a day of the month, a date or a time with a zone, not {shown(text)}"
        ) from error
    return text


def _category(value: object) -> str:
    text = read_text(value)
    if text not in {"paid", "promotional"}:
        raise ValueError(f"must be paid or promotional, not {shown(text)}")
    return text


def _boolean(value: object) -> bool | None:
    if is_absent(value):
        return None
    text = read_text(value).lower()
    if text in {"true", "t", "yes", "1"}:
        return True
    if text in {"false", "f", "no", "0"}:
        return False
    raise ValueError(f"must be true or false, not {shown(value)}")


def _named_currency(value: object) -> str:
    return _currency(read_text(value))


def _date(value: object) -> date:
    text = read_text(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is not a date: {shown(text)}") from error
    raise ValueError(f"must be a date like 2026-08-01, not {shown(text)}")


def _action(value: object) -> str:
    text = read_text(value)
    if text not in {"void", "replace"}:
        raise ValueError(f"must be void or replace, not {shown(text)}")
    return text


Currency = Annotated[str, BeforeValidator(_currency)]
NamedCurrency = Annotated[str, BeforeValidator(_named_currency)]


class Account(Record):
    """A customer: where its statements go, in which currency, by which calendar."""

    account_id: Text
    name: OptionalText
    stripe_customer_id: OptionalText
    currency: Currency
    timezone: Annotated[str, BeforeValidator(_timezone)]
    email: OptionalText


class AccountLink(Record):
    """How usage of one provider finds its account, for as long as the link is valid."""

    provider: Text
    match_key: Annotated[str, BeforeValidator(_match_key)]
    match_value: Text
    account_id: Text
    valid_from: OptionalTime
    valid_to: OptionalTime

    @model_validator(mode="after")
    def _runs_forward(self) -> AccountLink:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


class Subscription(Record):
    """An account on a plan from a start to an end; the spending cap in major currency units."""

    subscription_id: Text
    account_id: Text
    plan_id: Text
    started_at: AnyTime
    ended_at: OptionalTime
    billing_anchor: Annotated[str | None, BeforeValidator(_billing_anchor)]
    spending_cap: Annotated[Decimal | None, optional_decimal(38, 18)]
    on_demand: Annotated[bool | None, BeforeValidator(_boolean)]
    trial_ends_at: OptionalTime

    @model_validator(mode="after")
    def _runs_forward(self) -> Subscription:
        if self.ended_at and self.ended_at < self.started_at:
            raise ValueError("ended_at is before started_at")
        if self.trial_ends_at and self.trial_ends_at < self.started_at:
            raise ValueError("trial_ends_at is before started_at")
        return self


class Credit(Record):
    """Money that pays for usage before the customer does, in major currency units."""

    credit_id: Text
    account_id: Text
    amount: Annotated[Decimal, decimal(38, 18)]
    currency: Currency
    category: Annotated[str, BeforeValidator(_category)]
    priority: Annotated[int | None, optional_whole(0, 1_000_000)]
    effective_at: OptionalTime
    expires_at: OptionalTime
    meter_id: OptionalText

    @model_validator(mode="after")
    def _worth_something(self) -> Credit:
        if self.amount <= 0:
            raise ValueError(f"amount must be above 0: {self.amount.normalize():f}")
        if self.effective_at and self.expires_at and self.expires_at < self.effective_at:
            raise ValueError("expires_at is before effective_at")
        return self


class Correction(Record):
    """What a person says of a usage record: it does not count, or with another quantity."""

    correction_id: Text
    record_id: Text
    action: Annotated[str, BeforeValidator(_action)]
    quantity: Annotated[Decimal | None, optional_decimal(38, 16)]
    reason: Text
    requested_by: Text
    requested_at: AnyTime

    @model_validator(mode="after")
    def _quantity_fits_the_action(self) -> Correction:
        if self.action == "replace" and self.quantity is None:
            raise ValueError("quantity is missing; action replace says what to count instead")
        if self.action == "void" and self.quantity is not None:
            raise ValueError("quantity must be empty when action is void")
        return self


class ExchangeRate(Record):
    """What one unit of a currency was worth in another on a day."""

    rate_date: Annotated[date, BeforeValidator(_date)]
    from_currency: NamedCurrency
    to_currency: NamedCurrency
    rate: Annotated[Decimal, decimal(38, 18)]

    @model_validator(mode="after")
    def _between_two_currencies(self) -> ExchangeRate:
        if self.rate <= 0:
            raise ValueError(f"rate must be above 0: {self.rate.normalize():f}")
        if self.from_currency == self.to_currency:
            raise ValueError(f"from_currency and to_currency are both {self.from_currency}")
        return self


@dataclass(frozen=True)
class ReferenceFile:
    """One reference file: its table, model, columns, identity and time of knowledge.

    `known_at` is a column with a time, or a date that means its first instant in UTC. Records that
    agree in the columns `same` must agree in the columns `then_same` too. `refused` finds rows that
    cannot stand beside the others: their record numbers, each with its reason.
    """

    file: str
    table: str
    model: type[Record]
    columns: Mapping[str, pa.DataType]
    identity: tuple[str, ...]
    known_at: str | None
    same: tuple[str, ...] = ()
    then_same: tuple[str, ...] = ()
    refused: Callable[[Sequence[Mapping[str, Any]]], Mapping[int, str]] | None = None


def load_reference(
    con: duckdb.DuckDBPyConnection, reference: ReferenceFile, path: Path, load_seq: int
) -> Loaded:
    """Append the good records of a reference file, inside the caller's transaction.

    A second record with the same identity is quarantined, and so is one that contradicts another
    one. Raises Unreadable for a file without the columns.
    """
    loaded = Loaded()
    rows: list[dict[str, Any]] = []
    first_seen: dict[tuple[Any, ...], int] = {}
    agreed: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for batch in csv_batches(path):
        loaded.bad += batch.bad
        _require_columns(reference, batch.rows.column_names)
        for record in batch.rows.to_pylist():
            number, raw = record.pop(NUMBER), record.pop(RAW)
            try:
                row = _read(reference, record)
                key = tuple(row[column] for column in reference.identity)
                if key in first_seen:
                    names = ", ".join(reference.identity)
                    raise ValueError(f"{names} repeats record {first_seen[key]}")
                _refuse_contradiction(reference, row, agreed)
            except ValueError as error:
                loaded.bad.append(BadRecord(number, str(error), raw))
                continue
            first_seen[key] = number
            rows.append(row | {"load_seq": load_seq, "record_number": number, "raw": raw})
            if reference.same:
                agreed.setdefault(tuple(row[column] for column in reference.same), rows[-1])
    refused = reference.refused(rows) if reference.refused else {}
    loaded.bad += [
        BadRecord(row["record_number"], refused[row["record_number"]], row["raw"])
        for row in rows
        if row["record_number"] in refused
    ]
    rows = [row for row in rows if row["record_number"] not in refused]
    insert_rows(con, reference.table, reference.columns, rows)
    loaded.accepted = len(rows)
    loaded.bad.sort(key=lambda record: record.record_number or 0)
    return loaded


def _refuse_contradiction(
    reference: ReferenceFile,
    row: Mapping[str, Any],
    agreed: Mapping[tuple[Any, ...], Mapping[str, Any]],
) -> None:
    other = agreed.get(tuple(row[column] for column in reference.same))
    if other is None:
        return
    for column in reference.then_same:
        if row[column] != other[column]:
            raise ValueError(
                f"{column} contradicts record {other['record_number']}, which has the same"
                f" {' and '.join(reference.same)}"
            )


def _require_columns(reference: ReferenceFile, names: Sequence[str]) -> None:
    for name, field in reference.model.model_fields.items():
        needed = field.annotation in (str, date, datetime, Decimal) and name not in _DEFAULTED
        if needed and name not in names:
            raise Unreadable(f"the header has no column {name}")


_DEFAULTED = {"currency", "timezone"}


def _read(reference: ReferenceFile, record: Mapping[str, str]) -> dict[str, Any]:
    stripped = {name: (value or "").strip() for name, value in record.items()}
    columns = {name: stripped.get(name) for name in reference.model.model_fields}
    try:
        row = reference.model.model_validate(columns).model_dump()
    except ValidationError as error:
        raise ValueError(one_reason(error)) from error
    if "priority" in row and row["priority"] is None:
        row["priority"] = DEFAULT_PRIORITY
    known_at = row[reference.known_at] if reference.known_at else None
    if isinstance(known_at, date) and not isinstance(known_at, datetime):
        known_at = datetime(known_at.year, known_at.month, known_at.day, tzinfo=UTC)
    return row | {"known_at": known_at}


def overlapping(rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The subscriptions that begin while an earlier one of their account runs, with the reason.

    Of two that begin at once the one with the greater id is refused. A refused one refuses nobody.
    """
    reasons: dict[int, str] = {}
    running: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["started_at"], row["subscription_id"])):
        if row["ended_at"] == row["started_at"]:
            continue
        earlier = running.get(row["account_id"])
        if earlier is None or (
            earlier["ended_at"] is not None and earlier["ended_at"] <= row["started_at"]
        ):
            running[row["account_id"]] = row
            continue
        until = f"until {time_text(earlier['ended_at'])}" if earlier["ended_at"] else "without end"
        reasons[row["record_number"]] = (
            f"overlaps subscription {shown(earlier['subscription_id'])}"
            f" (record {earlier['record_number']}) of account {shown(row['account_id'])},"
            f" which runs {until}; end that one by {time_text(row['started_at'])},"
            " or start this one later"
        )
    return reasons


REFERENCE_FILES: dict[str, ReferenceFile] = {
    "accounts": ReferenceFile(
        file="accounts.csv",
        table="raw.accounts",
        model=Account,
        columns={name: pa.string() for name in Account.model_fields},
        identity=("account_id",),
        known_at=None,
    ),
    "account_links": ReferenceFile(
        file="account_links.csv",
        table="raw.account_links",
        model=AccountLink,
        columns={
            "provider": pa.string(),
            "match_key": pa.string(),
            "match_value": pa.string(),
            "account_id": pa.string(),
            "valid_from": TIMESTAMP,
            "valid_to": TIMESTAMP,
        },
        identity=("provider", "match_key", "match_value", "account_id", "valid_from", "valid_to"),
        known_at=None,
    ),
    "subscriptions": ReferenceFile(
        file="subscriptions.csv",
        table="raw.subscriptions",
        model=Subscription,
        columns={
            "subscription_id": pa.string(),
            "account_id": pa.string(),
            "plan_id": pa.string(),
            "started_at": TIMESTAMP,
            "ended_at": TIMESTAMP,
            "billing_anchor": pa.string(),
            "spending_cap": pa.decimal128(38, 18),
            "on_demand": pa.bool_(),
            "trial_ends_at": TIMESTAMP,
        },
        identity=("subscription_id",),
        known_at="started_at",
        refused=overlapping,
    ),
    "credits": ReferenceFile(
        file="credits.csv",
        table="raw.credits",
        model=Credit,
        columns={
            "credit_id": pa.string(),
            "account_id": pa.string(),
            "amount": pa.decimal128(38, 18),
            "currency": pa.string(),
            "category": pa.string(),
            "priority": pa.int32(),
            "effective_at": TIMESTAMP,
            "expires_at": TIMESTAMP,
            "meter_id": pa.string(),
        },
        identity=("credit_id",),
        known_at="effective_at",
    ),
    "corrections": ReferenceFile(
        file="corrections.csv",
        table="raw.corrections",
        model=Correction,
        columns={
            "correction_id": pa.string(),
            "record_id": pa.string(),
            "action": pa.string(),
            "quantity": pa.decimal128(38, 16),
            "reason": pa.string(),
            "requested_by": pa.string(),
            "requested_at": TIMESTAMP,
        },
        identity=("correction_id",),
        known_at="requested_at",
        # The latest correction of a record is in force: two of one instant must say the same.
        same=("record_id", "requested_at"),
        then_same=("action", "quantity"),
    ),
    "exchange_rates": ReferenceFile(
        file="exchange_rates.csv",
        table="raw.exchange_rates",
        model=ExchangeRate,
        columns={
            "rate_date": pa.date32(),
            "from_currency": pa.string(),
            "to_currency": pa.string(),
            "rate": pa.decimal128(38, 18),
        },
        identity=("rate_date", "from_currency", "to_currency"),
        known_at="rate_date",
    ),
}
