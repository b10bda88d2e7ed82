"""What a billing month would have come to under another price book.

Both sides are fresh ratings of the same usage (`int_lines_rated`), also of approved statements, and
before credits.
"""

from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib import progress, rerating
from dagster_project.lib.billing import rows_of
from ingest.errors import UsageError
from ingest.settings import Settings
from reports.summary import json_rows

# Lines with the billing period that they belong to, whichever part of it their statement bills.
_IN_PERIODS = """
        from {side}.intermediate.int_lines_rated as lines
        left join {side}.intermediate.int_statement_parts as parts using (statement_id)
        inner join {side}.intermediate.int_billing_periods as periods
            on periods.statement_id = coalesce(parts.billing_period_id, lines.statement_id)
"""
# Lines of the month on both sides, added up over the plan's versions and the period's parts.
_LINES = f"""
    create temp table lines as
    with
    rated as (
        select 'before' as side, lines.*
        {_IN_PERIODS.format(side="warehouse")}
        where periods.period = $period
        union all by name
        select 'after' as side, lines.*
        {_IN_PERIODS.format(side="scratch")}
        where periods.period = $period
    )
    select account_id, subscription_id, plan_id, charge_key, charge_class, meter_id, currency,
           sum(quantity) filter (side = 'before') as quantity_before,
           sum(quantity) filter (side = 'after') as quantity_after,
           sum(amount) filter (side = 'before') as amount_before,
           sum(amount) filter (side = 'after') as amount_after,
           sum(amount_minor) filter (side = 'before')::bigint as before_minor,
           sum(amount_minor) filter (side = 'after')::bigint as after_minor
    from rated
    group by all
"""
_DIFFERENCES = """
    select account_id, subscription_id, plan_id, charge_key, charge_class, meter_id, currency,
           quantity_before, quantity_after, amount_before, amount_after, before_minor, after_minor,
           coalesce(after_minor, 0) - coalesce(before_minor, 0) as difference_minor
    from lines
    where quantity_before is distinct from quantity_after
        or amount_before is distinct from amount_after
        or before_minor is distinct from after_minor
    order by account_id, subscription_id, charge_class, charge_key, meter_id, plan_id, currency
"""
_TOTALS = """
    select {keys}, coalesce(sum(before_minor), 0)::bigint as before_minor,
           coalesce(sum(after_minor), 0)::bigint as after_minor,
           (coalesce(sum(after_minor), 0) - coalesce(sum(before_minor), 0))::bigint
               as difference_minor
    from lines
    {condition}
    group by all
    order by {keys}
"""
_DIFFERING_ACCOUNTS = """
    semi join (
        select account_id from lines
        where quantity_before is distinct from quantity_after
            or amount_before is distinct from amount_after
            or before_minor is distinct from after_minor
    ) as differing using (account_id)
"""
# Plans of which statements of the month have lines and, under the other book, no time to rate.
_UNRATED_PLANS = f"""
    with
    left_out as (
        select periods.plan_id, periods.subscription_id, periods.statement_id
        {_IN_PERIODS.format(side="warehouse")}
        anti join scratch.intermediate.int_billing_segments as segments
            on periods.statement_id = segments.statement_id
        where periods.period = ?
    ),
    known as (
        select plan_id, min(valid_from) as first_valid_from
        from scratch.raw.pricebook_versions group by plan_id
    )
    select left_out.plan_id, count(distinct left_out.subscription_id) as subscriptions,
           count(*) as lines, known.plan_id is not null as is_known,
           left_out.subscription_id in (
               select subscription_id from scratch.intermediate.int_billing_periods
               where statement_id not in (
                   select statement_id from warehouse.intermediate.int_billing_periods)
           ) as is_cut_otherwise
    from left_out
    left join known on left_out.plan_id = known.plan_id
    group by all
    order by left_out.plan_id
"""
# Those that the landing zone's price book announces too are left out: they are no surprise.
_UNPUBLISHED = """
    select plan_id, plan_version, published_at
    from scratch.raw.pricebook_versions
    anti join warehouse.raw.pricebook_versions as held using (plan_id, plan_version, published_at)
    where published_at > (select as_of from warehouse.ops.run_context)
    order by plan_id, valid_from
"""


def compare(settings: Settings, folder: Path, period: str) -> dict[str, Any]:
    """The month `period` (`YYYY-MM`) under the price book below `folder`, as differences.

    JSON-ready: `differences` has a row for each account, subscription, plan, charge, class, meter
    and currency that differs (`null`: no such line on that side), `accounts` the totals of the
    accounts among them, `totals` those of the month by currency, `notes` one line for each plan
    that cannot be rated. Amounts are before credits.

    Raises UsageError with every error of the price book, when no billing period begins in the
    month, and when the warehouse is behind what is loaded.
    """
    book = rerating.read_pricebook(folder)
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    by_account = _TOTALS.format(keys="account_id, currency", condition=_DIFFERING_ACCOUNTS)
    by_currency = _TOTALS.format(keys="currency", condition="")
    with progress.current().stage("rate"), rerating.rerated(settings, book) as con:
        _refuse_unknown_period(con, period)
        con.execute(_LINES, {"period": period})
        [context] = json_rows(rows_of(con, "select as_of from warehouse.ops.run_context"))
        return {
            "period": period,
            "pricebook": str(shown),
            "as_of": context["as_of"],
            "differences": json_rows(rows_of(con, _DIFFERENCES)),
            "accounts": json_rows(rows_of(con, by_account)),
            "totals": json_rows(rows_of(con, by_currency)),
            "notes": _notes(con, shown, period),
        }


def _refuse_unknown_period(con: duckdb.DuckDBPyConnection, period: str) -> None:
    rows = con.execute(
        """
        select distinct period from warehouse.intermediate.int_billing_periods
        where is_subscribed order by period
        """
    ).fetchall()
    known = [row[0] for row in rows]
    if period not in known:
        told = f"those that are built go from {known[0]} to {known[-1]}" if known else "none is"
        raise UsageError(f"no billing period begins in {period}; {told}")


def _notes(con: duckdb.DuckDBPyConnection, folder: Path, period: str) -> list[str]:
    notes = []
    for row in rows_of(con, _UNRATED_PLANS, [period]):
        if not row["is_known"]:
            why = f"is not in {folder}"
        elif row["is_cut_otherwise"]:
            why = f"is billed by another period in {folder}"
        else:
            why = f"has no version in {folder} that is in force in {period}"
        notes.append(
            f"plan {row['plan_id']} {why}: {row['lines']} lines of {row['subscriptions']} "
            "subscriptions count as removed"
        )
    notes += [
        f"plan {row['plan_id']}, version {row['plan_version']}: published at "
        f"{row['published_at']}, not known yet, so it does not count"
        for row in json_rows(rows_of(con, _UNPUBLISHED))
    ]
    return notes
