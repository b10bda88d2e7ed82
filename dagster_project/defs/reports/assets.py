"""What a run leaves for readers: the published marts and the run's summary."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.constants import OWNERS
from dagster_project.defs.resources import Home
from dagster_project.defs.transform.assets import mart_keys
from dagster_project.lib import pipeline, progress, run_report
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.pools import WAREHOUSE_POOL
from reports.publish import Publication

PUBLISHED_MARTS = dg.AssetKey("published_marts")


@dg.asset(
    key=PUBLISHED_MARTS,
    deps=mart_keys(),
    group_name="published",
    owners=OWNERS,
    kinds={"python", "duckdb", "parquet"},
    tags={"layer": "published"},
    pool=WAREHOUSE_POOL,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
    ),
)
def published_marts(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """The marts as readers open them: DuckDB and Parquet, replaced whole when all checks pass.

    Grain: one publication a build whose content differs from the one before.
    """
    with progress.current().noting_failure():
        published = pipeline.publish_marts(home.settings(), run_id=context.run_id)
    return dg.MaterializeResult(metadata=publication_metadata(published))


def publication_metadata(published: Publication) -> dict[str, object]:
    """Paths, rows and digests of a publication."""
    table = "\n".join(
        f"| {name} | {found.rows} | `{found.digest}` |"
        for name, found in sorted(published.tables.items())
    )
    return {
        "database": dg.MetadataValue.path(str(published.database)),
        "parquet": dg.MetadataValue.path(str(published.folder)),
        "changed": published.changed,
        "dagster/row_count": sum(found.rows for found in published.tables.values()),
        "tables": dg.MetadataValue.md(f"| mart | rows | digest |\n|---|---|---|\n{table}"),
    }


@dg.asset(
    deps=[PUBLISHED_MARTS],
    group_name="reports",
    owners=OWNERS,
    kinds={"python", "json", "html"},
    tags={"layer": "report"},
    pool=WAREHOUSE_POOL,
)
def run_summary(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """What the run found, as data, as text and as the quality page; replaced every run."""
    with progress.current().noting_failure():
        settings = home.settings()
        written = run_report.write(settings, run_id=context.run_id)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(written.path)),
            "sha256": written.sha256,
            "quality_page": dg.MetadataValue.path(str(HomeLayout(settings.home).quality)),
            "summary": dg.MetadataValue.md(f"```\n{written.text}\n```"),
        }
    )
