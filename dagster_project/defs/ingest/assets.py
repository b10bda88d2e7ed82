"""The raw tables: one load of the landing zone and of the ledger fills them all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from dagster_project.defs.constants import OWNERS, RAW_ASSETS
from dagster_project.defs.resources import Home
from dagster_project.lib import pipeline, progress
from dagster_project.lib.owner_tags import tag_owning_process
from dagster_project.lib.pools import WAREHOUSE_POOL
from ingest.errors import UsageError

_USAGE = {
    "e2b_events",
    "opencomputer_scale_events",
    "daytona_usage_periods",
    "daytona_usage_polls",
    "vercel_sessions",
    "intervals",
    "quantities",
    "cloudevents",
    "gauges",
    "storage_samples",
}
_FRESH = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
)


class LoadConfig(dg.Config):
    """What a run may be told."""

    as_of: str | None = Field(
        default=None,
        description="Close open intervals at this ISO-8601 time and use only what was known by "
        "it. Empty: the clock.",
    )
    full_refresh: bool = Field(
        default=False, description="Build every model again instead of adding what is new."
    )

    def moment(self) -> datetime | None:
        """`as_of` in UTC; raises UsageError when it is not a time with a zone."""
        return parse_moment(self.as_of, "as_of") if self.as_of else None


def parse_moment(text: str, name: str) -> datetime:
    """An ISO-8601 time with a zone, in UTC; UsageError names the option otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{name}: {text!r} is not an ISO-8601 time; write it like 2026-09-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise UsageError(f"{name}: {text!r} has no zone; write it like 2026-09-01T00:00:00Z")
    return moment.astimezone(UTC)


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=["raw", name],
        description=description,
        group_name="raw",
        owners=OWNERS,
        kinds={"python", "duckdb"},
        tags={"layer": "raw"},
        freshness_policy=_FRESH if name in _USAGE else None,
    )


@dg.multi_asset(
    name="raw",
    specs=[_spec(name, text) for name, text in RAW_ASSETS.items()],
    pool=WAREHOUSE_POOL,
)
def raw(
    context: dg.AssetExecutionContext, config: LoadConfig, home: Home
) -> Iterator[dg.MaterializeResult]:
    """Load what is new in the landing zone, copy the ledger, decide what to build."""
    with progress.current().noting_failure():
        settings = home.settings()
        tag_owning_process(context.instance, context.run)
        loaded, plan = pipeline.load(
            settings,
            run_id=context.run_id,
            as_of=config.moment(),
            full_refresh=config.full_refresh,
        )
        with pipeline.warehouse(settings, read_only=True) as con:
            rows = pipeline.raw_row_counts(con)
    context.log.info(f"loaded: {loaded}")
    for name in RAW_ASSETS:
        metadata: dict[str, object] = {"dagster/row_count": rows[name]}
        if name == "loads":
            metadata |= {
                "as_of": plan.inputs.as_of.isoformat(),
                "nothing_new": plan.nothing_new,
                "rebuilt_because": plan.reason or "not needed",
            }
        yield dg.MaterializeResult(asset_key=["raw", name], metadata=metadata)
