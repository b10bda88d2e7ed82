"""Pushing approved totals, a period or all of them, as one result."""

import os
from collections.abc import Sequence

from dagster_project.ledger import Ledger
from dagster_project.lib import billing, progress
from dagster_project.stripe.client import is_loopback, stripe_client
from dagster_project.stripe.push import PushResult, push
from ingest.settings import Settings

_COUNTS = (
    "planned",
    "sent",
    "duplicates",
    "settled",
    "already_delivered",
    "waiting",
    "outside",
)


def push_periods(
    settings: Settings,
    periods: Sequence[str | None],
    *,
    dry_run: bool,
    create_meters: bool | None,
) -> list[PushResult]:
    """Push each period (`YYYY-MM`; None is every approved one) and return a result for each.

    `create_meters`: first create the meters that Stripe lacks. None: only on a local server, since
    in a real account a missing meter has no price either, and its usage would never be billed.
    Accounts approved without a Stripe customer use the one that the published marts have now.
    """
    customers = _customers(settings)
    ledger = Ledger(settings.ledger_url)
    try:
        client = stripe_client()
        if create_meters is None:
            create_meters = is_loopback(os.environ.get("STRIPE_API_BASE", ""))
        return [
            push(
                ledger,
                client,
                settings.now,
                period,
                dry_run,
                lambda done, total: progress.current().detail(f"{done} of {total} meter events"),
                home=settings.home,
                customers=customers,
                create_meters=create_meters,
            )
            for period in periods
        ]
    finally:
        ledger.close()


def combine_results(results: Sequence[PushResult]) -> PushResult:
    """One result for several periods; counts and totals add up."""
    first, *others = results
    for other in others:
        first.period = None
        for name in _COUNTS:
            setattr(first, name, getattr(first, name) + getattr(other, name))
        for name in ("rejected", "held", "uncertain", "created_meters", "outbox"):
            getattr(first, name).extend(getattr(other, name))
        for event_name, total in other.totals.items():
            first.totals[event_name] = first.totals.get(event_name, total - total) + total
        first.stopped = first.stopped or other.stopped
    return first


def _customers(settings: Settings) -> dict[str, str | None]:
    with billing.published(settings) as con:
        rows = billing.rows_of(con, "select account_id, stripe_customer_id from marts.dim_accounts")
    return {row["account_id"]: row["stripe_customer_id"] for row in rows}
