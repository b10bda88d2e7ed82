"""The dbt models and their tests: one definition, one call of dbt a run."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from dagster_project.defs.resources import Home
from dagster_project.defs.transform.translator import MeterhouseTranslator
from dagster_project.lib import pipeline, progress, quality_report
from dagster_project.lib.dbt_build import DbtOutcome, NodeResult
from dagster_project.lib.dbt_project import read_manifest
from dagster_project.lib.pools import WAREHOUSE_POOL
from ingest.errors import CheckFailed

MANIFEST = read_manifest()
TRANSLATOR = MeterhouseTranslator()


@dbt_assets(
    manifest=MANIFEST,
    name="dbt_models",
    pool=WAREHOUSE_POOL,
    dagster_dbt_translator=TRANSLATOR,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def dbt_models(context: dg.AssetExecutionContext, home: Home) -> Iterator[Any]:
    """Build every model and run every test, unless nothing is new."""
    with progress.current().noting_failure():
        built = pipeline.build(home.settings(), run_id=context.run_id)
    if built.outcome is None:
        context.log.info("nothing new since the last build: the models stand as they are")
        # What is published depends on the marts: they are as good as built now.
        for key in mart_keys():
            yield dg.MaterializeResult(asset_key=key, metadata={"unchanged": True})
        return
    selected = {*context.selected_asset_keys, *context.selected_asset_check_keys}
    for event in events(built.outcome):
        if _key_of(event) in selected:
            yield event
    if built.stopping:
        error = CheckFailed(pipeline.stop_message(built.stopping))
        progress.current().fail(error)
        # Nothing after the models runs: the page that says why is written here.
        quality_report.write(home.settings(), run_id=context.run_id)
        raise dg.Failure(str(error), allow_retries=False)


def events(outcome: DbtOutcome) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """The Dagster events of what dbt did: a materialization a model, a check result a test."""
    for node in outcome.nodes:
        if node.is_test:
            result = _check_result(node)
            if result is not None:
                yield result
        elif node.succeeded:
            yield dg.MaterializeResult(
                asset_key=TRANSLATOR.get_asset_key(MANIFEST["nodes"][node.unique_id]),
                metadata={
                    "seconds": node.seconds,
                    "database_seconds": node.database_seconds,
                    "unique_id": node.unique_id,
                },
            )


def _key_of(event: dg.MaterializeResult | dg.AssetCheckResult) -> Any:
    if isinstance(event, dg.MaterializeResult):
        return event.asset_key
    return dg.AssetCheckKey(event.asset_key, event.check_name)


def mart_keys() -> list[dg.AssetKey]:
    """The keys of the models that are published, each after those that it is built from."""
    parents: dict[str, list[str]] = MANIFEST["parent_map"]
    order = TopologicalSorter({name: parents[name] for name in sorted(parents)}).static_order()
    nodes = [MANIFEST["nodes"][name] for name in order if name.startswith("model.")]
    return [TRANSLATOR.get_asset_key(node) for node in nodes if node["fqn"][1] == "marts"]


def _check_result(node: NodeResult) -> dg.AssetCheckResult | None:
    if node.status == "skipped":
        return None
    key = get_asset_check_key_for_test(MANIFEST, TRANSLATOR, node.unique_id, project=None)
    if key is None:
        return None
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=node.status == "pass",
        severity=dg.AssetCheckSeverity.ERROR
        if node.severity == "error" and node.status != "warn"
        else dg.AssetCheckSeverity.WARN,
        metadata={
            "failing_rows": node.failures or 0,
            "message": node.message or "",
            "seconds": node.seconds,
        },
    )
