"""Worlds for the end-to-end tests of the data path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_dbt import RecordedDbt
from world import World


@pytest.fixture(scope="session")
def recorded_dbt(tmp_path_factory: pytest.TempPathFactory) -> RecordedDbt:
    """dbt's statements, shared by every world of the session and by its other processes."""
    own = tmp_path_factory.getbasetemp()
    # With `--basetemp` the folder above is that of the session before, too.
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    return RecordedDbt(own.parent / f"recorded_dbt_{session}" if session else own / "recorded_dbt")


@pytest.fixture
def world(tmp_path: Path, recorded_dbt: RecordedDbt) -> World:
    """A fresh world."""
    return World(tmp_path, recorded_dbt.run)


@pytest.fixture(scope="module")
def new_world(
    tmp_path_factory: pytest.TempPathFactory, recorded_dbt: RecordedDbt
) -> Callable[[], World]:
    """Makes any number of fresh worlds."""
    return lambda: World(tmp_path_factory.mktemp("world"), recorded_dbt.run)
