"""A statement as it is approved: checked, put into the ledger's text form, and fingerprinted."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ingest.errors import UsageError

LINE_COLUMNS: tuple[str, ...] = (
    "charge_id",
    "statement_id",
    "account_id",
    "subscription_id",
    "plan_id",
    "plan_version",
    "charge_key",
    "meter_id",
    "period_start",
    "period_end",
    "charge_class",
    "quantity",
    "amount",
    "amount_minor",
    "currency",
    "corrects_charge_id",
    "stripe_event_name",
)
TIER_COLUMNS: tuple[str, ...] = (
    "charge_id",
    "tier_index",
    "quantity",
    "unit_amount",
    "flat_amount",
    "amount",
)
CREDIT_COLUMNS: tuple[str, ...] = ("credit_id", "applied_minor", "remaining_minor")
TOTAL_COLUMNS: tuple[str, ...] = (
    "statement_id",
    "currency",
    "subtotal_minor",
    "credits_minor",
    "total_minor",
)
CHARGE_CLASSES = frozenset(
    {
        "usage",
        "base_fee",
        "included",
        "discount",
        "minimum_true_up",
        "maximum_cap",
        "correction",
    }
)

_EXACT = frozenset({"quantity", "amount", "unit_amount", "flat_amount"})
_WHOLE = frozenset(
    {
        "amount_minor",
        "applied_minor",
        "remaining_minor",
        "subtotal_minor",
        "credits_minor",
        "total_minor",
        "tier_index",
    }
)
_TIMES = frozenset({"period_start", "period_end"})


def time_text(moment: datetime) -> str:
    """A moment as the ledger writes it; refuses a time without a zone."""
    if moment.tzinfo is None:
        raise UsageError(f"ledger: time {moment.isoformat()} has no zone; give it one")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_value(text: str) -> datetime:
    """The moment that `time_text` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def decimal_text(number: Decimal) -> str:
    """Fixed point without trailing zeros, never an exponent: 1E+2 is `100`, 1.50 is `1.5`."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def line_row(statement_id: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """The stored form of one line of `fct_charges` (+ `stripe_event_name`, may be absent)."""
    row = _row(LINE_COLUMNS, line, f"statement {statement_id}, charge {line.get('charge_id')}")
    if row["charge_class"] not in CHARGE_CLASSES:
        raise UsageError(
            f"statement {statement_id}, charge {row['charge_id']}: unknown charge_class "
            f"{row['charge_class']!r}; one of {', '.join(sorted(CHARGE_CLASSES))}"
        )
    return row


def tier_row(statement_id: str, tier: Mapping[str, Any]) -> dict[str, Any]:
    """The stored form of one row of `fct_charge_tiers`."""
    where = f"statement {statement_id}, tier of charge {tier.get('charge_id')}"
    return _row(TIER_COLUMNS, tier, where)


def credit_row(statement_id: str, credit: Mapping[str, Any]) -> dict[str, Any]:
    """The stored form of one row of `fct_credit_burndown`."""
    where = f"statement {statement_id}, credit {credit.get('credit_id')}"
    return _row(CREDIT_COLUMNS, credit, where)


def statement_digest(
    lines: Iterable[Mapping[str, Any]],
    credits: Iterable[Mapping[str, Any]],
    totals: Mapping[str, Any],
) -> str:
    """sha256 (hex) over the canonical text of a statement.

    `lines` have the columns of `fct_charges` and `stripe_event_name`, `credits` `credit_id,
    applied_minor, remaining_minor`, `totals` `statement_id, currency, subtotal_minor,
    credits_minor, total_minor`. Neither the order of rows nor the spelling of a number (1.50, 1.5)
    nor of a time matters; every value does. Other columns are ignored. Accepts the stored form too.
    """
    statement_id = str(totals.get("statement_id"))
    line_rows = [_row(LINE_COLUMNS, line, f"statement {statement_id}") for line in lines]
    credit_rows = [_row(CREDIT_COLUMNS, credit, f"statement {statement_id}") for credit in credits]
    total_row = _row(TOTAL_COLUMNS, totals, f"statement {statement_id}")
    document = {
        "lines": [
            [row[column] for column in LINE_COLUMNS]
            for row in sorted(line_rows, key=lambda row: str(row["charge_id"]))
        ],
        "credits": [
            [row[column] for column in CREDIT_COLUMNS]
            for row in sorted(credit_rows, key=lambda row: str(row["credit_id"]))
        ],
        "totals": [total_row[column] for column in TOTAL_COLUMNS],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_arithmetic(
    totals: Mapping[str, Any],
    lines: list[dict[str, Any]],
    tiers: list[dict[str, Any]],
    credits: list[dict[str, Any]],
) -> None:
    """Raise `UsageError` unless the statement adds up and belongs together."""
    where = f"statement {totals['statement_id']}"
    charge_ids = [line["charge_id"] for line in lines]
    if len(set(charge_ids)) != len(charge_ids):
        raise UsageError(f"{where}: a charge_id occurs twice; rebuild the marts")
    for line in lines:
        for column in ("statement_id", "account_id", "currency"):
            if line[column] != totals[column]:
                raise UsageError(
                    f"{where}, charge {line['charge_id']}: {column} {line[column]!r} is not the "
                    f"statement's {totals[column]!r}; rebuild the marts"
                )
    stray = {tier["charge_id"] for tier in tiers} - set(charge_ids)
    if stray:
        raise UsageError(f"{where}: tiers of charges it does not have: {', '.join(sorted(stray))}")
    subtotal = sum(line["amount_minor"] for line in lines)
    applied = sum(credit["applied_minor"] for credit in credits)
    for name, stated, found in (
        ("subtotal_minor", totals["subtotal_minor"], subtotal),
        ("credits_minor", totals["credits_minor"], applied),
        ("total_minor", totals["total_minor"], totals["subtotal_minor"] - totals["credits_minor"]),
    ):
        if stated != found:
            raise UsageError(f"{where}: {name} is {stated} but its rows give {found}; run again")


def period_of(statement: Mapping[str, Any]) -> str:
    """`YYYY-MM` of a statement: its own `period`, else the month its start falls into.

    A month that starts at local midnight starts up to 14 hours earlier in UTC (12 later), so the
    start is read 14 hours on.
    """
    if statement.get("period"):
        return str(statement["period"])
    start = statement["period_start"]
    moment = start if isinstance(start, datetime) else time_value(str(start))
    return (moment.astimezone(UTC) + timedelta(hours=14)).strftime("%Y-%m")


def _row(columns: tuple[str, ...], source: Mapping[str, Any], where: str) -> dict[str, Any]:
    optional = {"stripe_event_name", "remaining_minor"}
    missing = [name for name in columns if name not in source and name not in optional]
    if missing:
        raise UsageError(f"{where}: no column {', '.join(missing)}")
    return {name: _stored(name, source.get(name), where) for name in columns}


def _stored(column: str, value: Any, where: str) -> Any:
    if value is None:
        return None
    if isinstance(value, float):
        raise UsageError(f"{where}: {column} is a float; amounts and quantities are decimals")
    if column in _EXACT:
        return decimal_text(_decimal(column, value, where))
    if column in _WHOLE:
        if isinstance(value, bool) or int(value) != value:
            raise UsageError(f"{where}: {column} is {value!r}, not a whole number")
        return int(value)
    if column in _TIMES:
        return time_text(value if isinstance(value, datetime) else time_value(str(value)))
    return str(value)


def _decimal(column: str, value: Any, where: str) -> Decimal:
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise UsageError(f"{where}: {column} is {value}, not a number")
    return number
