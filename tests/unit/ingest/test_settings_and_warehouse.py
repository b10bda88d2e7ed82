"""Settings from the environment, and opening the warehouse."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ingest_zone import Zone

from ingest.errors import CheckFailed, MeterhouseError, PushIncomplete, UsageError
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit

VARIABLES = (
    "METERHOUSE_LANDING",
    "METERHOUSE_HOME",
    "METERHOUSE_NOW",
    "METERHOUSE_LEDGER_URL",
    "E2B_WEBHOOK_SECRET",
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    before = datetime.now(UTC)
    settings = Settings.from_environment()
    assert (settings.landing, settings.home) == (Path("data/sample"), Path(".meterhouse"))
    assert before <= settings.now <= datetime.now(UTC)
    assert settings.e2b_webhook_secret is None
    assert settings.ledger_url == f"sqlite:///{Path('.meterhouse/ledger.sqlite').resolve()}"


def test_environment_and_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in zip(
        VARIABLES, ["in", "out", "2026-09-01T02:00:00+02:00", "postgresql://x", "s3"], strict=True
    ):
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment()
    assert (settings.landing, settings.home) == (Path("in"), Path("out"))
    assert settings.now == datetime(2026, 9, 1, tzinfo=UTC)
    assert (settings.ledger_url, settings.e2b_webhook_secret) == ("postgresql://x", "s3")
    given = Settings.from_environment(landing=tmp_path, home="home")
    assert (given.landing, given.home) == (tmp_path, Path("home"))
    assert given.warehouse_path == Path("home/warehouse.duckdb")
    assert given.marts_path == Path("home/marts.duckdb")
    assert given.outbox_path == Path("home/outbox")


@pytest.mark.parametrize("text", ["tomorrow", "2026-09-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_a_bad_clock(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("METERHOUSE_NOW", text)
    with pytest.raises(UsageError, match=r"METERHOUSE_NOW .* write it like"):
        Settings.from_environment()


def test_exit_codes() -> None:
    codes = [
        error.exit_code for error in (MeterhouseError, UsageError, CheckFailed, PushIncomplete)
    ]
    assert codes == [1, 2, 1, 1]


def test_the_warehouse_is_utc_and_bounded(zone: Zone) -> None:
    (row,) = zone.rows(
        "select current_setting('TimeZone') as zone, current_setting('threads') as threads"
    )
    assert row == {"zone": "UTC", "threads": 2}


def test_readers_need_a_warehouse(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path / "home", datetime.now(UTC))
    with pytest.raises(UsageError, match=r"no warehouse at .*; run `meterhouse run` first"):
        connect(settings, read_only=True)


def test_a_second_process_is_told_to_wait(zone: Zone) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from ingest.settings import Settings; from ingest.warehouse import connect;"
        "connect(Settings(Path('.'), Path(sys.argv[1]), datetime.now(UTC)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(zone.settings.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "UsageError: cannot open the warehouse" in answer.stderr
    assert "wait for the other run to end" in answer.stderr


def test_ingest_imports_no_orchestrator_and_no_great_expectations() -> None:
    code = (
        "import sys, ingest.landing, ingest.expectations.e2b, ingest.sources.pricebook;"
        "sys.exit(any(name.split('.')[0] in ('dagster', 'great_expectations', 'dbt')"
        " for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
