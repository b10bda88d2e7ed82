"""The exports by UTC day."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_project.defs.billing.partitions import DAYS
from dagster_project.defs.constants import OWNERS
from dagster_project.defs.reports.assets import PUBLISHED_MARTS
from dagster_project.defs.resources import Home
from dagster_project.lib import progress
from dagster_project.lib.paths import HomeLayout
from reports.exports.export import Request, export


class ExportConfig(dg.Config):
    """What to export and where to; without dates, the days of the partitions."""

    from_date: str | None = Field(default=None, description="First day, UTC.")
    to_date: str | None = Field(default=None, description="The day after the last, UTC.")
    account: str | None = Field(default=None, description="Only this account; empty: all.")
    format: str = Field(default="csv", description="csv or parquet")
    out: str | None = Field(
        default=None, description="Folder to write to; empty: under the home's reports."
    )
    excel: bool = Field(default=False, description="Begin the CSV with a byte order mark.")


def _export_asset(name: str, text: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{name}_export",
        description=text,
        deps=[PUBLISHED_MARTS],
        group_name="exports",
        owners=OWNERS,
        kinds={"csv", "parquet"},
        tags={"layer": "export"},
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def exported(
        context: dg.AssetExecutionContext, config: ExportConfig, home: Home
    ) -> dg.MaterializeResult:
        with progress.current().noting_failure(), progress.current().stage("export"):
            layout = HomeLayout(home.settings().home)
            request = _request(name, config, context.partition_keys, layout)
            manifest = export(layout.marts_database, request)
            progress.current().answer = manifest | {"out": str(request.out)}
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(request.out)),
                "sha256": manifest["files"][0]["sha256"],
                "dagster/row_count": manifest["files"][0]["rows"],
                "manifest": dg.MetadataValue.json(manifest),
            }
        )

    return exported


def _request(name: str, config: ExportConfig, days: list[str], layout: HomeLayout) -> Request:
    first = date.fromisoformat(config.from_date or min(days))
    last = (
        date.fromisoformat(config.to_date)
        if config.to_date
        else date.fromisoformat(max(days)) + timedelta(days=1)
    )
    default_out = layout.reports / "exports" / f"{name}_{first}_{last}"
    return Request(
        name=name,
        from_date=first,
        to_date=last,
        out=Path(config.out) if config.out else default_out,
        account=config.account,
        format="parquet" if config.format == "parquet" else "csv",
        excel=config.excel,
    )


usage_export = _export_asset(
    "usage", "Usage by account, meter, dimensions and UTC day, with a manifest. Grain: a day."
)
charges_export = _export_asset(
    "charges", "Rated lines by the day that their service begins, with a manifest. Grain: a day."
)
