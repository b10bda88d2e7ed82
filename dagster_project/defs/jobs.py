"""One job for each command of the command line, and the schedules that may run them."""

import dagster as dg

from dagster_project.defs.billing.assets import (
    approvals,
    reconciliation_report,
    statement_close,
    stripe_pushes,
    whatif_report,
)
from dagster_project.defs.ingest.assets import raw
from dagster_project.defs.reports.assets import published_marts, run_summary
from dagster_project.defs.reports.exports import charges_export, usage_export
from dagster_project.defs.transform.assets import dbt_models

# Everything without partitions, with every check of it.
RUN = dg.AssetSelection.assets(raw, dbt_models, published_marts, run_summary)

run_job = dg.define_asset_job(
    "run",
    selection=RUN,
    description="Load what is new, build, check, publish the marts, write the summary.",
    executor_def=dg.in_process_executor,
)
approve_job = dg.define_asset_job(
    "approve",
    selection=dg.AssetSelection.assets(statement_close, approvals),
    description="Record the approval of a month's closed statements.",
    executor_def=dg.in_process_executor,
)
push_job = dg.define_asset_job(
    "push",
    selection=dg.AssetSelection.assets(stripe_pushes),
    description="Send a month's approved totals to Stripe, each exactly once.",
    executor_def=dg.in_process_executor,
)
reconcile_job = dg.define_asset_job(
    "reconcile",
    selection=RUN | dg.AssetSelection.assets(reconciliation_report),
    description="Run, then compare provider, warehouse, Stripe meter and Stripe invoice.",
    executor_def=dg.in_process_executor,
)
whatif_job = dg.define_asset_job(
    "whatif",
    selection=dg.AssetSelection.assets(whatif_report),
    description="Rate a month under another price book and list what differs.",
    executor_def=dg.in_process_executor,
)
export_usage_job = dg.define_asset_job(
    "export_usage",
    selection=dg.AssetSelection.assets(usage_export),
    description="Write usage by day as files with a manifest.",
    executor_def=dg.in_process_executor,
)
export_charges_job = dg.define_asset_job(
    "export_charges",
    selection=dg.AssetSelection.assets(charges_export),
    description="Write rated lines as files with a manifest.",
    executor_def=dg.in_process_executor,
)

run_schedule = dg.ScheduleDefinition(
    name="run_schedule",
    job=run_job,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every hour. Off until somebody switches it on.",
)


@dg.schedule(
    name="reconcile_schedule",
    job=reconcile_job,
    cron_schedule="30 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every morning, for the month under way. Off until somebody switches it on.",
)
def reconcile_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for a reconciliation of the month of the tick."""
    return dg.RunRequest(partition_key=context.scheduled_execution_time.strftime("%Y-%m"))


JOBS = [
    run_job,
    approve_job,
    push_job,
    reconcile_job,
    whatif_job,
    export_usage_job,
    export_charges_job,
]
SCHEDULES = [run_schedule, reconcile_schedule]
