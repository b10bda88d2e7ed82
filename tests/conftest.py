"""What every test may use: a clean environment, the parsed dbt project, homes and landing zones."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from ingest.settings import Settings
from tests.small_landing import NOW, write_small_landing

_OURS = ("METERHOUSE_", "STRIPE_", "E2B_", "DAGSTER_", "DBT_")

Cli = Callable[..., "subprocess.CompletedProcess[str]"]

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("meterhouse", deadline=None)
hypothesis_settings.load_profile("meterhouse")


# Warnings that are not ours to fix, each with where it comes from.
_EXPECTED_WARNINGS = (
    # Dagster marks the argument as beta; without it a run over several partitions would be many.
    "ignore:Parameter .backfill_policy. of function .asset. is currently in beta",
    # dagster-dbt imports sqlglot, which finds its older companion in the lock.
    "ignore:sqlglotrs is deprecated:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the warnings that are expected."""
    for line in _EXPECTED_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Nobody's own settings reach a test, and no test's settings reach the next."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OURS):
            del os.environ[name]
    os.environ["DO_NOT_TRACK"] = "1"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def manifest() -> Path:
    """The dbt manifest of the repository, parsed when its files changed."""
    from dagster_project.lib.dbt_project import prepare_manifest

    return prepare_manifest()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A landing zone of one month: two accounts, three sources, all in order."""
    return write_small_landing(tmp_path / "landing")


@pytest.fixture
def settings(home: Path, landing: Path) -> Settings:
    """Settings of the home and the landing zone, on the day after the small month."""
    return Settings(landing=landing, home=home, now=datetime.fromisoformat(NOW).astimezone(UTC))


@pytest.fixture
def run_cli(tmp_path: Path) -> Cli:
    """Run the command line in a process of its own, as a person does.

    Keyword arguments are environment variables; the rest are the command's arguments.
    """

    def run(*args: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "dagster_project.cli", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"METERHOUSE_NOW": NOW} | environment,
        )

    return run
