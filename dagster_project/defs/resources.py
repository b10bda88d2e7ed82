"""What every asset is given: the settings of the home that it works on."""

from dataclasses import replace
from pathlib import Path

import dagster as dg

from ingest.settings import Settings


class Home(dg.ConfigurableResource):
    """The home and the landing zone of a run; empty: as METERHOUSE_HOME and _LANDING say."""

    home: str = ""
    landing: str = ""

    def settings(self) -> Settings:
        """The settings as of now; raises UsageError when the environment's are malformed."""
        found = Settings.from_environment(landing=self.landing or None, home=self.home or None)
        # Steps and dbt may look from another folder: only absolute paths mean the same to all.
        return replace(
            found, landing=Path(found.landing).resolve(), home=Path(found.home).resolve()
        )
