from collections.abc import Iterator
from pathlib import Path

import pytest
from push_world import NOW, World

from dagster_project.stripe.server import StripeServer


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer(now=NOW) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: StripeServer) -> Iterator[World]:
    made = World(tmp_path / "home", server)
    yield made
    made.ledger.close()
