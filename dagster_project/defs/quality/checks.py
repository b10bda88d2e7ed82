"""Expectations on the raw records that this run loaded."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs.resources import Home
from dagster_project.lib import pipeline, progress, quality_report, raw_checks
from dagster_project.lib.check_results import CheckResult
from dagster_project.lib.pools import WAREHOUSE_POOL
from ingest.errors import CheckFailed
from ingest.expectations.register import SUITES


@dg.multi_asset_check(
    name="raw_expectations",
    specs=[
        dg.AssetCheckSpec(
            name=rule.name,
            asset=["raw", suite.asset],
            blocking=rule.blocking,
            description=rule.detail,
        )
        for suite in SUITES
        for rule in suite.rules
    ],
    can_subset=True,
    pool=WAREHOUSE_POOL,
)
def raw_expectations(
    context: dg.AssetCheckExecutionContext, home: Home
) -> Iterator[dg.AssetCheckResult]:
    """Validate what is new; where nothing is, the stored results stand."""
    with progress.current().noting_failure():
        results = raw_checks.validate_new(home.settings(), run_id=context.run.run_id)
    stopping = [result for result in results if result.stops]
    if stopping:
        progress.current().fail(CheckFailed(pipeline.stop_message(stopping)))
        # Nothing after this check runs: the page that says why is written here.
        quality_report.write(home.settings(), run_id=context.run.run_id)
    by_name = {result.check_name: result for result in results}
    for name, asset in raw_checks.ASSET_OF_CHECK.items():
        # A source that was never loaded meets every expectation.
        result = by_name.get(name) or CheckResult(name, asset, True, True, 0, "nothing is loaded")
        key = dg.AssetKey(["raw", asset])
        if dg.AssetCheckKey(key, result.check_name) in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=result.check_name,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR
                if result.blocking
                else dg.AssetCheckSeverity.WARN,
                metadata={"failing_rows": result.failing_rows or 0, "detail": result.detail},
            )
