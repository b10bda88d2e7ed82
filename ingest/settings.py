"""Where things are and what time it is: the few settings that every command shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import UsageError

DEFAULT_LANDING = "data/sample"
DEFAULT_HOME = ".meterhouse"


@dataclass(frozen=True)
class Settings:
    """Shared settings of every command.

    `landing` is the folder of incoming files, `home` the folder of everything the product keeps,
    `now` the clock (UTC, with zone), `e2b_webhook_secret` the secret that signs E2B captures
    (None: signatures are not checked). `daytona_naive_times_are_utc` says that times without a
    zone in the tables of Daytona's usage periods are UTC; else they are refused.
    """

    landing: Path
    home: Path
    now: datetime
    e2b_webhook_secret: str | None = None
    daytona_naive_times_are_utc: bool = False

    @classmethod
    def from_environment(
        cls, landing: Path | str | None = None, home: Path | str | None = None
    ) -> Settings:
        """Settings from arguments first, then the environment, then the defaults.

        Raises UsageError when METERHOUSE_NOW is not an ISO-8601 time with a zone, or
        METERHOUSE_DAYTONA_NAIVE_TIMES is anything but `utc`.
        """
        return cls(
            landing=_folder(landing, "METERHOUSE_LANDING", DEFAULT_LANDING),
            home=_folder(home, "METERHOUSE_HOME", DEFAULT_HOME),
            now=current_time(),
            e2b_webhook_secret=os.environ.get("E2B_WEBHOOK_SECRET") or None,
            daytona_naive_times_are_utc=_naive_times_are_utc("METERHOUSE_DAYTONA_NAIVE_TIMES"),
        )

    @property
    def warehouse_path(self) -> Path:
        """The warehouse file: everything that can be rebuilt."""
        return self.home / "warehouse.duckdb"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy address of the ledger: METERHOUSE_LEDGER_URL or a SQLite file at home."""
        default = f"sqlite:///{(self.home / 'ledger.sqlite').resolve()}"
        return os.environ.get("METERHOUSE_LEDGER_URL") or default

    @property
    def marts_path(self) -> Path:
        """The published marts, opened read-only by anyone."""
        return self.home / "marts.duckdb"

    @property
    def outbox_path(self) -> Path:
        """Where a push without a Stripe key writes what it would send."""
        return self.home / "outbox"


def _folder(given: Path | str | None, variable: str, default: str) -> Path:
    return Path(given or os.environ.get(variable) or default)


def _naive_times_are_utc(variable: str) -> bool:
    text = os.environ.get(variable) or ""
    if text.lower() not in {"", "utc"}:
        raise UsageError(f"{variable} is {text!r}; set it to utc or leave it out")
    return bool(text)


def clock_is_set() -> bool:
    """Whether METERHOUSE_NOW stands in for the clock; then no time passes."""
    return bool(os.environ.get("METERHOUSE_NOW"))


def current_time() -> datetime:
    """METERHOUSE_NOW, else the clock, in UTC. `UsageError` when it is not a time with a zone."""
    text = os.environ.get("METERHOUSE_NOW")
    if not text:
        return datetime.now(UTC)
    try:
        now = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"METERHOUSE_NOW is not an ISO-8601 time: {text!r}; write it like 2026-09-01T00:00:00Z"
        ) from error
    if now.tzinfo is None:
        raise UsageError(
            f"METERHOUSE_NOW has no zone: {text!r}; write it like 2026-09-01T00:00:00Z"
        )
    return now.astimezone(UTC)
