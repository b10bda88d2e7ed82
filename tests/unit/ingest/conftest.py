"""Fixtures of the ingest tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ingest_zone import Zone

from ingest import records


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    zone = Zone(tmp_path)
    yield zone
    zone.con.close()


@pytest.fixture(params=["vectorised", "careful"])
def both_paths(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs once a path: every batch to the database first, or none."""
    monkeypatch.setattr(records, "FEW", 0 if request.param == "vectorised" else 10**9)
    return str(request.param)
