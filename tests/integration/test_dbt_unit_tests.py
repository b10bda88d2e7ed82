"""The unit tests that stand beside the models, run on a warehouse that has been built."""

from collections.abc import Callable

import pytest

from dagster_project.lib.dbt_build import build_dbt_args, invoke_dbt, load_manifest
from dagster_project.lib.dbt_project import prepare_manifest
from dagster_project.lib.paths import DBT_PROJECT, HomeLayout
from ingest.errors import MeterhouseError
from tests.integration.world import World, utc

pytestmark = pytest.mark.integration

# Beside each model with arithmetic in it; fewer means that a folder was not read.
AT_LEAST = 70
NOW = "2026-08-15T00:00:00Z"


def test_every_unit_test_of_the_models_passes(new_world: Callable[[], World]) -> None:
    """Each works out one rule by hand; its parents' columns come from the built warehouse."""
    world = new_world()
    world.build(NOW)
    layout = HomeLayout(world.home)
    common = build_dbt_args(layout, project=DBT_PROJECT)[1:]
    kept = common[: common.index("--exclude-resource-type")]
    prepare_manifest()
    outcome = invoke_dbt(
        ["test", *kept, "--select", "test_type:unit"],
        warehouse=world.settings(utc(NOW)).warehouse_path,
        manifest=load_manifest(DBT_PROJECT),
    )
    if outcome.error and not outcome.nodes:
        raise MeterhouseError(outcome.error)
    wrong = [f"{node.name}: {node.message}" for node in outcome.nodes if not node.succeeded]
    assert wrong == []
    assert len(outcome.nodes) >= AT_LEAST
