"""The Dagster definitions: what the UI shows and the command line runs."""

import dagster as dg

from dagster_project.defs.billing.assets import (
    approvals,
    reconciliation_report,
    statement_close,
    stripe_pushes,
    whatif_report,
)
from dagster_project.defs.ingest.assets import raw
from dagster_project.defs.jobs import JOBS, SCHEDULES
from dagster_project.defs.quality.checks import raw_expectations
from dagster_project.defs.reports.assets import published_marts, run_summary
from dagster_project.defs.reports.exports import charges_export, usage_export
from dagster_project.defs.resources import Home
from dagster_project.defs.transform.assets import dbt_models

defs = dg.Definitions(
    assets=[
        raw,
        dbt_models,
        published_marts,
        run_summary,
        statement_close,
        approvals,
        stripe_pushes,
        reconciliation_report,
        whatif_report,
        usage_export,
        charges_export,
    ],
    asset_checks=[raw_expectations],
    jobs=JOBS,
    schedules=SCHEDULES,
    resources={"home": Home()},
    # One process a run: steps share what they imported, and the warehouse has one writer anyway.
    executor=dg.in_process_executor,
)
