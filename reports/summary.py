"""What a run found, read from the published marts: as data, and as plain lines for people.

Exact numbers are texts in the data, so that JSON does not turn them into floats.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from pathlib import Path
from typing import Any

import duckdb

from reports.marts import open_marts

# Sums that would lose a digit raise instead.
_EXACT = Context(prec=100, traps=[Inexact])

# Each query has only the columns of the marts' promise, in the order in which they are shown.
_QUERIES: Mapping[str, str] = {
    "accounts": """
        select account_id, name, currency, timezone from marts.dim_accounts order by account_id
    """,
    "loads": """
        select source, count(*) as files, sum(records)::bigint as records,
               sum(quarantined)::bigint as quarantined
        from ops.loads group by source order by source
    """,
    "rows": """
        select source, disposition, sum(rows)::bigint as rows
        from marts.fct_row_dispositions group by all order by source, disposition
    """,
    "quarantine": """
        select source, reason, count(*) as rows
        from ops.quarantine group by all order by source, reason
    """,
    "usage": """
        select meter_id, count(distinct account_id) as accounts, sum(quantity) as quantity,
               sum(inferred_quantity) as inferred_quantity
        from marts.fct_usage_daily group by meter_id order by meter_id
    """,
    "charges": """
        select period, currency, status, count(*) as statements,
               sum(subtotal_minor)::bigint as subtotal_minor,
               sum(credits_minor)::bigint as credits_minor,
               sum(total_minor)::bigint as total_minor
        from marts.fct_statements group by all order by period, currency, status
    """,
    "previews": """
        select period, currency, count(*) as statements,
               sum(subtotal_minor)::bigint as subtotal_minor,
               sum(minimum_true_up_minor)::bigint as minimum_true_up_minor,
               sum(projected_subtotal_minor)::bigint as projected_subtotal_minor,
               sum(credits_minor)::bigint as credits_minor,
               sum(projected_total_minor)::bigint as projected_total_minor
        from marts.fct_statement_previews group by all order by period, currency
    """,
    "limit_violations": """
        select code, account_id, count(*) as stretches,
               sum(over_limit_sandbox_seconds) as over_limit_sandbox_seconds
        from marts.fct_limit_violations group by all order by code, account_id
    """,
    "gates_shut": """
        select code, account_id, reason, decided_at
        from marts.dim_usage_gates where not allowed order by code, account_id
    """,
    "approvals_waiting": """
        select period, account_id, statement_id, currency, total_minor
        from marts.fct_statements where status = 'closed' order by period, account_id, statement_id
    """,
    "push": """
        select statements.status, statements.period, charges.account_id,
               charges.stripe_event_name, sum(charges.quantity) as quantity
        from marts.fct_charges as charges
        inner join marts.fct_statements as statements using (statement_id)
        where charges.stripe_event_name is not null
            and charges.charge_class in ('usage', 'correction')
            and statements.status in ('closed', 'approved')
        group by all
        having sum(charges.quantity) <> 0
        order by statements.status, statements.period, charges.account_id,
                 charges.stripe_event_name
    """,
    "discrepancies": """
        select account_id, meter_id, period_start, period_end, leg, cause, quantity_delta,
               amount_delta_minor, currency, evidence
        from marts.fct_discrepancies
        order by cause, account_id, meter_id, period_start, leg, quantity_delta, evidence
    """,
}


_ON_A_SCREEN = 60


def read_summary(database: Path, folder: Path) -> dict[str, Any]:
    """Read everything that a run reports from the published marts at `database`.

    Returns one JSON-ready mapping: a list of rows for each subject and, under `marts`, rows and
    digest of each table and where the files are.
    """
    with open_marts(database) as con:
        found: dict[str, Any] = {name: _rows(con, query) for name, query in _QUERIES.items()}
        tables = con.execute(
            """
            select table_name, row_count, digest from ops.publication
            where schema_name = 'marts' order by table_name
            """
        ).fetchall()
    found["marts"] = {
        "database": str(database),
        "parquet": str(folder),
        "tables": {name: {"rows": rows, "digest": digest} for name, rows, digest in tables},
    }
    return found


def summary_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary as lines of text for a person, at most a screen wide."""
    yield from _run_lines(summary)
    yield f"Accounts: {len(summary['accounts'])}"
    yield from _first(
        summary["accounts"], ("account_id", "name", "currency", "timezone"), "dim_accounts"
    )
    yield "Loads"
    yield from _table(summary["loads"], ("source", "files", "records", "quarantined"))
    yield "Rows by source and disposition"
    yield from _table(summary["rows"], ("source", "disposition", "rows"))
    if summary["quarantine"]:
        yield "Quarantined"
        yield from _table(summary["quarantine"], ("source", "reason", "rows"))
    yield "Usage by meter"
    yield from _table(summary["usage"], ("meter_id", "accounts", "quantity", "inferred_quantity"))
    yield "Charges by period (minor units)"
    yield from _table(
        summary["charges"],
        (
            "period",
            "currency",
            "status",
            "statements",
            "subtotal_minor",
            "credits_minor",
            "total_minor",
        ),
    )
    if summary["previews"]:
        yield "Open periods, if nothing more is used (minor units)"
        yield from _table(
            summary["previews"],
            (
                "period",
                "currency",
                "statements",
                "subtotal_minor",
                "minimum_true_up_minor",
                "projected_subtotal_minor",
                "credits_minor",
                "projected_total_minor",
            ),
        )
    yield from _waiting_lines(summary["approvals_waiting"])
    yield from _push_lines(summary["push"])
    yield gates_line(summary["gates_shut"])
    yield violations_line(summary["limit_violations"])
    yield f"Discrepancies: {len(summary['discrepancies'])}"
    yield from _table(
        summary["discrepancies"],
        (
            "cause",
            "leg",
            "account_id",
            "meter_id",
            "period_start",
            "quantity_delta",
            "amount_delta_minor",
            "currency",
        ),
    )
    yield from _marts_lines(summary["marts"])
    if summary.get("quality_page"):
        yield f"Quality page: {summary['quality_page']}"
    if summary.get("seconds"):
        stages = ", ".join(f"{name} {value}" for name, value in summary["seconds"].items())
        yield f"Seconds: {stages}"


def json_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with exact numbers and times as text."""
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def gates_line(gates: Sequence[Mapping[str, Any]]) -> str:
    """How many gates are shut, by code. `gates`: rows with `code`."""
    return _counted("Gates shut", Counter(row["code"] for row in gates))


def violations_line(violations: Sequence[Mapping[str, Any]]) -> str:
    """How many accounts ran more than their plan allows, by code. One row is one account."""
    return _counted("Accounts over a limit of their plan", Counter(r["code"] for r in violations))


def _counted(what: str, by_code: Mapping[str, int]) -> str:
    codes = ", ".join(f"{code} {count}" for code, count in sorted(by_code.items()))
    return f"{what}: {sum(by_code.values())}" + (f" ({codes})" if codes else "")


def discrepancy_lines(discrepancies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each discrepancy, with its evidence."""
    for row in discrepancies:
        amount = row["amount_delta_minor"]
        currency = "" if row["currency"] is None else f" of {row['currency']}"
        money = "" if amount is None else f", {amount} minor units{currency}"
        yield (
            f"  {row['cause']} ({row['leg']}): account {row['account_id']}, meter "
            f"{row['meter_id']}, from {row['period_start']}: quantity "
            f"{row['quantity_delta']}{money}; {row['evidence']}"
        )


def whatif_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """A month under another price book: every line that differs, then totals, then notes."""
    differences = answer["differences"]
    yield (
        f"{answer['period']} under {answer['pricebook']}, as of {answer['as_of']}, before credits: "
        f"{len(differences)} lines differ"
    )
    amounts = ("before_minor", "after_minor", "difference_minor", "currency")
    line = ("account_id", "subscription_id", "plan_id", "charge_key", "charge_class", "meter_id")
    yield from _table(differences[:_ON_A_SCREEN], (*line, *amounts))
    if len(differences) > _ON_A_SCREEN:
        yield f"  and {len(differences) - _ON_A_SCREEN} more with --json"
    if differences:
        yield "By account"
        yield from _table(answer["accounts"], ("account_id", *amounts))
        yield "All accounts of the month"
        yield from _table(answer["totals"], amounts)
    for note in answer["notes"]:
        yield f"Note: {note}"


def _run_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    run = summary.get("run")
    if run:
        what = "nothing new since the last build" if run["nothing_new"] else run["built"]
        yield f"As of {run['as_of']}: {what}"


def _waiting_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"Approvals waiting: {len(rows)}"
    due = [row for row in rows if row["total_minor"]]
    yield from _first(due, ("period", "account_id", "currency", "total_minor"), "fct_statements")
    if len(due) < len(rows):
        yield f"  and {len(rows) - len(due)} with nothing to pay"


def _first(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], mart: str) -> Iterator[str]:
    """The rows that a person reads on a screen, and where the others are."""
    yield from _table(rows[:_ON_A_SCREEN], columns)
    if len(rows) > _ON_A_SCREEN:
        yield f"  and {len(rows) - _ON_A_SCREEN} more in {mart}"


def _push_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    now = [row for row in rows if row["status"] == "approved"]
    later = [row for row in rows if row["status"] == "closed"]
    yield f"A push now would send: {len(now)} meter totals"
    yield from _push_totals(now)
    if later:
        yield f"Once the waiting statements are approved it would send: {len(later)} meter totals"
        yield from _push_totals(later)


def _push_totals(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    totals: dict[tuple[str, str], list[Decimal]] = {}
    for row in rows:
        key = (row["period"], row["stripe_event_name"])
        totals.setdefault(key, []).append(Decimal(row["quantity"]))
    lines = [
        {
            "period": period,
            "stripe_event_name": name,
            "accounts": len(found),
            "quantity": format(_exact_sum(found), "f"),
        }
        for (period, name), found in sorted(totals.items())
    ]
    yield from _table(lines, ("period", "stripe_event_name", "accounts", "quantity"))


def _exact_sum(numbers: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = _EXACT.add(total, number)
    return total


def _marts_lines(marts: Mapping[str, Any]) -> Iterator[str]:
    yield "Marts"
    rows = [{"table": name, **found} for name, found in marts["tables"].items()]
    yield from _table(rows, ("table", "rows", "digest"))
    yield f"  {marts['database']} and {marts['parquet']}/*.parquet"


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    if not rows:
        return
    cells = [[_cell(column, row[column]) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[place]) for line in cells))
        for place, column in enumerate(columns)
    ]
    numeric = [
        column != "period" and all(_is_number(line[place]) for line in cells)
        for place, column in enumerate(columns)
    ]
    for line in [list(columns), *cells]:
        yield "  " + _aligned(line, widths, numeric)


def _aligned(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    out = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(line, widths, numeric, strict=True)
    ]
    return "  ".join(out).rstrip()


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit() or text == ""


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    # A quantity has up to 16 places; trailing zeros say nothing to a person.
    if "quantity" in column and "." in text:
        text = text.rstrip("0").rstrip(".")
    return printable(text)


def printable(text: str) -> str:
    """Text of a record as part of a line: without line breaks, without codes for a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = con.execute(query)
    columns = [column[0] for column in result.description]
    return [
        {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        for row in result.fetchall()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
