"""Where things are: in the repository, and in a home."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DBT_PROJECT = REPOSITORY / "dbt"
DAGSTER_YAML = REPOSITORY / "dagster.yaml"


@dataclass(frozen=True)
class HomeLayout:
    """The files of one home. Two homes share nothing, so their runs never meet."""

    home: Path

    @property
    def marts_database(self) -> Path:
        return self.home / "marts.duckdb"

    @property
    def marts_folder(self) -> Path:
        return self.home / "marts"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def summary(self) -> Path:
        return self.reports / "run_summary.json"

    @property
    def quality(self) -> Path:
        return self.reports / "quality.html"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def dbt_target(self) -> Path:
        return self.home / "dbt" / "target"

    @property
    def dbt_logs(self) -> Path:
        return self.home / "dbt" / "logs"

    @property
    def logs(self) -> Path:
        return self.home / "logs"
