"""Billing by month: close, approve, push, reconcile."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_project.defs.billing.partitions import MONTHS
from dagster_project.defs.constants import OWNERS
from dagster_project.defs.reports.assets import PUBLISHED_MARTS, publication_metadata
from dagster_project.defs.resources import Home
from dagster_project.defs.transform.assets import events
from dagster_project.lib import (
    billing,
    check_results,
    pipeline,
    progress,
    quality_report,
    run_report,
    whatif,
)
from dagster_project.lib.owner_tags import tag_owning_process
from dagster_project.lib.pools import WAREHOUSE_POOL
from dagster_project.lib.pushing import combine_results, push_periods
from ingest.errors import CheckFailed, PushIncomplete
from ingest.settings import Settings
from reports.summary import json_rows, whatif_lines

_COMMON: dict[str, Any] = {
    "group_name": "billing",
    "owners": OWNERS,
    "partitions_def": MONTHS,
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "pool": WAREHOUSE_POOL,
}


class ApproveConfig(dg.Config):
    """Who approves, and which accounts."""

    by: str = Field(description="Name of the person who approves.")
    accounts: list[str] = Field(default=[], description="Only these accounts; empty: all.")
    note: str | None = Field(default=None, description="Kept with the approval.")


class PushConfig(dg.Config):
    """How to push."""

    dry_run: bool = Field(default=False, description="Only count what would be sent.")
    create_meters: bool | None = Field(
        default=None,
        description="First create the meters that Stripe lacks; unset: only on a local server.",
    )
    every_period: bool = Field(
        default=False, description="Push all approved periods, not only those of the partitions."
    )


class WhatIfConfig(dg.Config):
    """Which other price book."""

    pricebook: str = Field(description="Folder with the YAML files of the other price book.")


@dg.asset(deps=[PUBLISHED_MARTS], kinds={"python", "duckdb"}, tags={"layer": "billing"}, **_COMMON)
def statement_close(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """Statements of a month by status: what has ended and waits for approval.

    Grain: one materialization a billing month.
    """
    with progress.current().noting_failure():
        settings = home.settings()
        found = {
            period: billing.statement_totals(settings, period) for period in context.partition_keys
        }
    return dg.MaterializeResult(metadata={"statements": dg.MetadataValue.json(found)})


@dg.asset(deps=[statement_close], kinds={"python", "sqlite"}, tags={"layer": "billing"}, **_COMMON)
def approvals(
    context: dg.AssetExecutionContext, config: ApproveConfig, home: Home
) -> dg.MaterializeResult:
    """Approvals of a month's closed statements, in the ledger; then the marts again, showing them.

    Grain: one approval a statement. Refuses while a blocking check fails.
    """
    from dagster_project.ledger import Ledger

    with progress.current().noting_failure():
        settings = home.settings()
        tag_owning_process(context.instance, context.run)
        _refuse_when_failing(settings, "approve")
        with progress.current().stage("approve"):
            ledger = Ledger(settings.ledger_url)
            try:
                answers = [
                    billing.approve(
                        settings,
                        ledger,
                        period=period,
                        by=config.by,
                        accounts=config.accounts,
                        note=config.note,
                    )
                    for period in context.partition_keys
                ]
            finally:
                ledger.close()
        for answer in answers:
            _note_answer(answer.to_json(), answer.lines())
        _refresh(context, settings)
    return dg.MaterializeResult(
        metadata={"answers": dg.MetadataValue.json([item.to_json() for item in answers])}
    )


@dg.asset(
    deps=[approvals], kinds={"python", "sqlite", "stripe"}, tags={"layer": "billing"}, **_COMMON
)
def stripe_pushes(
    context: dg.AssetExecutionContext, config: PushConfig, home: Home
) -> dg.MaterializeResult:
    """Approved totals of a month in Stripe, each exactly once; without a key, in the outbox.

    Grain: one meter event an approved statement and Stripe meter. Refuses while a blocking check
    fails.
    """
    with progress.current().noting_failure():
        settings = home.settings()
        tag_owning_process(context.instance, context.run)
        _refuse_when_failing(settings, "push")
        with progress.current().stage("push"):
            result = combine_results(
                push_periods(
                    settings,
                    [None] if config.every_period else list(context.partition_keys),
                    dry_run=config.dry_run,
                    create_meters=config.create_meters,
                )
            )
        _note_answer(result.to_json(), result.lines())
        if result.mode == "sent":
            _refresh(context, settings)
        if not result.complete:
            raise PushIncomplete(_incomplete(result.lines()))
    return dg.MaterializeResult(metadata={"result": dg.MetadataValue.json(result.to_json())})


@dg.asset(
    deps=[PUBLISHED_MARTS],
    group_name="reports",
    owners=OWNERS,
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    kinds={"python", "json"},
    tags={"layer": "report"},
)
def reconciliation_report(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """Provider, warehouse, Stripe meter and Stripe invoice of a month, and every named difference.

    Grain: one file a billing month.
    """
    with progress.current().noting_failure(), progress.current().stage("reconcile"):
        settings = home.settings()
        rows: list[billing.Row] = []
        for period in context.partition_keys:
            found = billing.discrepancies(settings, period)
            rows += found
            run_report.write_json(
                settings,
                f"reconciliation_{period}.json",
                {
                    "period": period,
                    "reconciliation": json_rows(billing.reconciliation(settings, period)),
                    "discrepancies": json_rows(found),
                },
            )
        progress.current().answer["discrepancies"] = json_rows(rows)
    return dg.MaterializeResult(metadata={"discrepancies": len(rows)})


@dg.asset(
    deps=[PUBLISHED_MARTS],
    group_name="reports",
    owners=OWNERS,
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    kinds={"python", "duckdb", "json"},
    tags={"layer": "report"},
    pool=WAREHOUSE_POOL,
)
def whatif_report(
    context: dg.AssetExecutionContext, config: WhatIfConfig, home: Home
) -> dg.MaterializeResult:
    """A month under another price book: which lines would differ, and by how much.

    Grain: one file a billing month, replaced each time. The warehouse is only read.
    """
    with progress.current().noting_failure():
        settings = home.settings()
        answers = [
            whatif.compare(settings, Path(config.pricebook), period)
            for period in context.partition_keys
        ]
        for answer in answers:
            run_report.write_json(settings, f"whatif_{answer['period']}.json", answer)
            _note_answer(answer, list(whatif_lines(answer)))
    return dg.MaterializeResult(
        metadata={"differing_lines": sum(len(answer["differences"]) for answer in answers)}
    )


def _refuse_when_failing(settings: Settings, what: str) -> None:
    with pipeline.warehouse(settings, read_only=True) as con:
        check_results.refuse_when_failing(con, what)


def _refresh(context: dg.AssetExecutionContext, settings: Settings) -> None:
    """Build and publish again in this same run, so that readers see what the ledger now says."""
    built, publication = pipeline.refresh(settings, run_id=context.run_id)
    if built.outcome is not None:
        _log_events(context, events(built.outcome))
    if publication is None:
        quality_report.write(settings, run_id=context.run_id)
        raise CheckFailed(pipeline.stop_message(built.stopping))
    context.log_event(
        dg.AssetMaterialization(PUBLISHED_MARTS, metadata=publication_metadata(publication))
    )
    run_report.write(settings, run_id=context.run_id)


def _log_events(
    context: dg.AssetExecutionContext,
    found: Iterable[dg.MaterializeResult | dg.AssetCheckResult],
) -> None:
    for item in found:
        if isinstance(item, dg.MaterializeResult) and item.asset_key is not None:
            context.log_event(
                dg.AssetMaterialization(item.asset_key, metadata=dict(item.metadata or {}))
            )
        elif isinstance(item, dg.AssetCheckResult) and not item.passed:
            context.log.error(f"check {item.check_name} failed: {json.dumps(str(item.metadata))}")


def _note_answer(answer: dict[str, Any], lines: list[str]) -> None:
    held = progress.current().answer
    held.setdefault("answers", []).append(answer)
    held.setdefault("lines", []).extend(lines)


def _incomplete(lines: list[str]) -> str:
    problems = [line.strip() for line in lines[1:] if line.lstrip().split(":")[0] in _PROBLEMS]
    first = problems[0] if problems else "some approved totals were not delivered"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"push is incomplete: {first}{more}; push again"


_PROBLEMS = {"rejected", "held", "unanswered", "stopped"}
