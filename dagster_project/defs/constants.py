"""Names that several definitions share."""

import dagster as dg

OWNERS = ["team:billing-platform"]

RAW_ASSETS = {
    "e2b_events": "Lifecycle events of E2B sandboxes; one row a delivered record.",
    "opencomputer_scale_events": "OpenComputer scale events; one row a record of the table.",
    "daytona_usage_periods": "Daytona usage periods; one row a record of the tables.",
    "daytona_usage_polls": "Answers of Daytona's usage API with their window; one row an answer.",
    "vercel_sessions": "States of Vercel Sandbox sessions; one row a session of an answer.",
    "intervals": "Provider-neutral intervals of constant size; one row a record.",
    "quantities": "Amounts that were measured elsewhere; one row a record.",
    "gauges": "Levels observed at an instant, in bytes; one row a record.",
    "storage_samples": "Samples of buckets; one row a sample and project prefix.",
    "focus_costs": "What providers charge us, from FOCUS files; one row a charge.",
    "cloudevents": "CloudEvents that event meters count; one row a record.",
    "accounts": "Accounts; one row a record of every version of accounts.csv.",
    "account_links": "Which provider reference belongs to which account; one row a record.",
    "subscriptions": "Which account is on which plan from when; one row a record.",
    "credits": "Credits granted to accounts; one row a record.",
    "corrections": "Corrections of usage records by hand; one row a record of corrections.csv.",
    "exchange_rates": "What currencies were worth in each other; one row a day and pair.",
    "pricebook": "Meters, plan versions, charges and tiers of the price book, four tables.",
    "stripe_objects": "Stripe API objects as fetched; one row an object.",
    "ledger": "Copies of approvals, frozen lines, push intents and answers, replaced a run.",
    "loads": "Files loaded, records quarantined, and what the run has to build.",
}

# dbt sources whose tables have no asset of their own name.
SOURCE_PREFIXES = {"pricebook_": "pricebook", "ledger_": "ledger"}
OPERATIONS_ASSET = "loads"


def raw_key(table: str) -> dg.AssetKey:
    """The asset key of a raw or ops table."""
    for prefix, asset in SOURCE_PREFIXES.items():
        if table.startswith(prefix):
            return dg.AssetKey(["raw", asset])
    return dg.AssetKey(["raw", table if table in RAW_ASSETS else OPERATIONS_ASSET])
