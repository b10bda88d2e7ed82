"""Billing months and days as partitions."""

from datetime import UTC, datetime

import dagster as dg

from ingest.errors import UsageError
from ingest.settings import Settings

FIRST_MONTH = "2020-01"
FIRST_DAY = "2020-01-01"


def _clock_ahead() -> tuple[int, int]:
    """How many months and days METERHOUSE_NOW is ahead of the machine's clock, at least none."""
    try:
        now = Settings.from_environment().now
    except UsageError:
        # The definitions must load for the UI to show them; the run itself reports the bad clock.
        return 0, 0
    real = datetime.now(UTC)
    months = (now.year - real.year) * 12 + now.month - real.month
    return max(0, months), max(0, (now - real).days + 1)


_MONTHS_AHEAD, _DAYS_AHEAD = _clock_ahead()

# The offset makes the month and the day under way partitions too, not only those that are over.
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=FIRST_MONTH, fmt="%Y-%m", end_offset=1 + _MONTHS_AHEAD
)
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1 + _DAYS_AHEAD)
