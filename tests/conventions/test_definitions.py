"""The definitions as the UI and the command line load them."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.lib.paths import DAGSTER_YAML, REPOSITORY
from dagster_project.lib.pools import WAREHOUSE_POOL

pytestmark = pytest.mark.unit

SNAPSHOT = Path(__file__).with_name("asset_keys.txt")
# These read the published marts only, which anybody may do at any time.
READ_PUBLISHED_ONLY = {"reconciliation_report", "usage_export", "charges_export"}


@pytest.fixture(scope="module")
def definitions(manifest: Path) -> Any:
    from dagster_project.definitions import defs

    return defs


@pytest.fixture(scope="module")
def graph(definitions: Any) -> Any:
    return definitions.resolve_asset_graph()


def test_definitions_load_as_the_server_loads_them(definitions: Any) -> None:
    import dagster as dg

    dg.Definitions.validate_loadable(definitions)
    jobs = {job.name for job in definitions.get_repository_def().get_all_jobs()}
    assert {
        "run",
        "approve",
        "push",
        "reconcile",
        "whatif",
        "export_usage",
        "export_charges",
    } <= jobs


def test_asset_keys_are_as_agreed(graph: Any) -> None:
    """A renamed or lost asset shows as a difference; UPDATE_SNAPSHOT=1 accepts the new list."""
    keys = sorted(key.to_user_string() for key in graph.materializable_asset_keys)
    text = "".join(f"{key}\n" for key in keys)
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == text


def test_run_job_selects_everything_without_partitions(definitions: Any, graph: Any) -> None:
    job = definitions.resolve_job_def("run")
    selected = set(job.asset_layer.selected_asset_keys)
    unpartitioned = {
        key for key in graph.materializable_asset_keys if graph.get(key).partitions_def is None
    }
    assert selected == unpartitioned
    checks = {key for key in graph.asset_check_keys if key.asset_key in selected}
    assert checks == set(graph.asset_check_keys)


def test_every_blocking_dbt_test_is_an_asset_check(graph: Any) -> None:
    """A test that is none has no history, blocks nothing, and alerts nobody."""
    from dagster_project.defs.transform.assets import MANIFEST

    allowed: set[str] = set()  # nothing is, today
    tests = {
        node["name"]
        for node in MANIFEST["nodes"].values()
        if node["resource_type"] == "test"
        and str(node["config"].get("severity") or "error").lower() == "error"
    }
    checks = {key.name for key in graph.asset_check_keys}
    assert tests - checks - allowed == set()
    assert allowed <= tests


def test_one_definition_calls_dbt(definitions: Any) -> None:
    names = [
        asset.node_def.name
        for asset in definitions.assets
        if any("dbt" in spec.kinds for spec in asset.specs)
    ]
    assert names == ["dbt_models"]


def test_everything_that_opens_the_warehouse_has_the_pool(definitions: Any) -> None:
    for definition in [*definitions.assets, *definitions.asset_checks]:
        name = definition.node_def.name
        expected = None if name in READ_PUBLISHED_ONLY else WAREHOUSE_POOL
        assert definition.node_def.pool == expected, name


def test_steps_run_in_process(definitions: Any) -> None:
    for job in definitions.get_repository_def().get_all_jobs():
        assert job.executor_def.name == "in_process", job.name


def test_dagster_yaml_lets_one_step_write_at_a_time() -> None:
    settings = yaml.safe_load(DAGSTER_YAML.read_text(encoding="utf-8"))
    assert settings["concurrency"]["pools"] == {"default_limit": 1, "granularity": "op"}
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}


def test_every_asset_says_what_it_is(graph: Any) -> None:
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        name = key.to_user_string()
        assert node.group_name not in (None, "default"), name
        assert node.owners, name
        assert node.kinds, name
        assert (node.description or "").strip(), name


def test_dbt_sources_come_from_raw_assets(graph: Any) -> None:
    from dagster_project.defs.transform.assets import MANIFEST, TRANSLATOR

    for source in MANIFEST["sources"].values():
        assert TRANSLATOR.get_asset_key(source) in graph.materializable_asset_keys, source["name"]


def test_freshness_is_promised_for_usage_and_marts(graph: Any) -> None:
    with_policy = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if graph.get(key).freshness_policy is not None
    }
    assert {"raw/e2b_events", "raw/quantities", "published_marts"} <= with_policy


def test_schedules_are_off_until_somebody_wants_them(definitions: Any) -> None:
    import dagster as dg

    for schedule in definitions.schedules:
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_dbt_project_holds_no_python_and_no_packages() -> None:
    """Our dbt/ joins dbt's own package path: Python in it would shadow dbt; packages need a net."""
    project = REPOSITORY / "dbt"
    files = [path for path in project.rglob("*") if "target" not in path.parts]
    assert not [path for path in files if path.suffix == ".py"]
    assert not [path for path in files if path.name in {"packages.yml", "dependencies.yml"}]
    shadows = {"adapters", "cli", "include", "task", "clients", "config", "events", "graph"}
    assert not shadows & {path.name for path in project.iterdir()}
