"""Approving statements and reporting reconciliation, from the published marts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb

from dagster_project.ledger import Approval, Ledger
from dagster_project.lib.paths import HomeLayout
from ingest.errors import UsageError
from ingest.settings import Settings
from reports.marts import open_marts

Row = dict[str, Any]


@dataclass(frozen=True)
class Approved:
    """What an approval did.

    approvals: those that stand now because of it. earlier: statements that were approved already.
    left_open: statements of the period that have not ended.
    """

    approvals: list[Approval]
    earlier: list[Row] = field(default_factory=list)
    left_open: list[Row] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "approved": [
                {
                    "approval_id": item.approval_id,
                    "statement_id": item.statement_id,
                    "account_id": item.account_id,
                    "period": item.period,
                    "currency": item.currency,
                    "subtotal_minor": item.subtotal_minor,
                    "credits_minor": item.credits_minor,
                    "total_minor": item.total_minor,
                    "digest": item.digest,
                    "approved_by": item.approved_by,
                    "approved_at": _text(item.approved_at),
                }
                for item in self.approvals
            ],
            "approved_before": [row["statement_id"] for row in self.earlier],
            "still_open": [row["statement_id"] for row in self.left_open],
        }

    def lines(self) -> list[str]:
        """The result in plain lines for people."""
        text = [
            f"approved {item.period} {item.account_id}: {item.total_minor} {item.currency} minor "
            f"units, statement {item.statement_id}"
            for item in self.approvals
        ]
        if self.earlier:
            text.append(f"approved before: {len(self.earlier)} statements, unchanged")
        text += [
            f"still open: {row['account_id']} until {_text(row['period_end'])}, not approved"
            for row in self.left_open
        ]
        return text


def approve(
    settings: Settings,
    ledger: Ledger,
    *,
    period: str,
    by: str,
    accounts: Sequence[str] = (),
    note: str | None = None,
) -> Approved:
    """Approve the closed statements of `period` as published, all of them or those of `accounts`.

    A billing period may have several, of which all but the last have ended (DECISIONS D62). Raises
    UsageError when there is none, or when a named account has none that ended.
    """
    with published(settings) as con:
        statements = _statements(con, period, accounts)
        unknown = sorted(set(accounts) - {row["account_id"] for row in statements})
        if unknown:
            raise UsageError(
                f"no statement of {period} for account {', '.join(unknown)}; "
                "`meterhouse status` lists the statements"
            )
        if not statements:
            raise UsageError(f"no statement of {period}; `meterhouse status` lists the statements")
        left_open = [row for row in statements if row["status"] == "open"]
        earlier = [row for row in statements if row["status"] in {"approved", "pushed"}]
        closed = [row for row in statements if row["status"] == "closed"]
        ended = {row["account_id"] for row in closed}
        waiting = [row for row in left_open if accounts and row["account_id"] not in ended]
        if waiting or (left_open and not (closed or earlier)):
            row = (waiting or left_open)[0]
            raise UsageError(
                f"statement {row['statement_id']} of account {row['account_id']} is open until "
                f"{_text(row['period_end'])}; run again after that and approve it then"
            )
        content = _content(con, closed)
    approvals = ledger.approve(content, by, note, settings.now)
    return Approved(approvals, earlier, left_open)


def discrepancies(settings: Settings, period: str | None) -> list[Row]:
    """The published discrepancies of one period (`YYYY-MM`), or all, in a fixed order."""
    return _reconciliation(
        settings,
        period,
        """
        select account_id, meter_id, period_start, period_end, leg, cause, quantity_delta,
               amount_delta_minor, compared.currency, evidence
        from marts.fct_discrepancies as compared
        left join marts.dim_accounts as accounts using (account_id)
        where {period}
        order by period_start, leg, cause, account_id, meter_id, quantity_delta, evidence
        """,
    )


def reconciliation(settings: Settings, period: str | None) -> list[Row]:
    """The published comparison of one period (`YYYY-MM`), or all: account, meter and period."""
    return _reconciliation(
        settings,
        period,
        """
        select compared.* from marts.fct_reconciliation as compared
        left join marts.dim_accounts as accounts using (account_id)
        where {period} order by period_start, account_id, meter_id
        """,
    )


def published_periods(settings: Settings) -> list[str]:
    """The periods of the published statements, oldest first."""
    if not HomeLayout(settings.home).marts_database.exists():
        return []
    with published(settings) as con:
        rows = con.execute("select distinct period from marts.fct_statements order by 1").fetchall()
    return [row[0] for row in rows if row[0]]


def statement_totals(settings: Settings, period: str) -> list[Row]:
    """Statements and totals of a period by status and currency."""
    with published(settings) as con:
        return rows_of(
            con,
            """
            select status, currency, count(*) as statements,
                   sum(total_minor)::bigint as total_minor
            from marts.fct_statements where period = ? group by all order by status, currency
            """,
            [period],
        )


@contextmanager
def published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of a home; UsageError when nothing is published."""
    with open_marts(HomeLayout(settings.home).marts_database) as con:
        yield con


def rows_of(con: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a query as mappings by column name."""
    result = con.execute(query, list(values))
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _reconciliation(settings: Settings, period: str | None, query: str) -> list[Row]:
    # As statements are: by the month in which the period begins, on the account's own calendar.
    label = "strftime(period_start at time zone coalesce(timezone, 'UTC'), '%Y-%m')"
    with published(settings) as con:
        if period is None:
            return rows_of(con, query.format(period="true"))
        return rows_of(con, query.format(period=f"{label} = ?"), [period])


def _statements(con: duckdb.DuckDBPyConnection, period: str, accounts: Sequence[str]) -> list[Row]:
    return rows_of(
        con,
        """
        select statements.*, accounts.stripe_customer_id
        from marts.fct_statements as statements
        left join marts.dim_accounts as accounts using (account_id)
        where statements.period = ? and (? or list_contains(?, statements.account_id))
        order by statements.account_id, statements.period_start, statements.statement_id
        """,
        [period, not accounts, list(accounts)],
    )


def _content(con: duckdb.DuckDBPyConnection, statements: Sequence[Row]) -> list[Mapping[str, Any]]:
    ids = [row["statement_id"] for row in statements]
    lines = _grouped(
        rows_of(
            con,
            """
            select * from marts.fct_charges
            where list_contains(?, statement_id) order by charge_id
            """,
            [ids],
        )
    )
    tiers = _grouped(
        rows_of(
            con,
            """
            select tiers.*, charges.statement_id
            from marts.fct_charge_tiers as tiers
            inner join marts.fct_charges as charges using (charge_id)
            where list_contains(?, charges.statement_id)
            order by charge_id, tier_index
            """,
            [ids],
        )
    )
    credits = _grouped(
        rows_of(
            con,
            """
            select * from marts.fct_credit_burndown
            where list_contains(?, statement_id) order by credit_id
            """,
            [ids],
        )
    )
    return [
        row
        | {
            "lines": lines.get(row["statement_id"], []),
            "tiers": tiers.get(row["statement_id"], []),
            "credits": credits.get(row["statement_id"], []),
        }
        for row in statements
    ]


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["statement_id"], []).append(row)
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
