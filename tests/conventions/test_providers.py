"""A provider of intervals is in every register that the README's "Add a provider" names."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.defs.constants import RAW_ASSETS
from dagster_project.lib.paths import DBT_PROJECT, REPOSITORY
from ingest.expectations import Suite
from ingest.expectations.register import SUITES
from ingest.landing import RECORD_SOURCES

pytestmark = pytest.mark.unit

PROVIDERS: list[str] = yaml.safe_load(
    (DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8")
)["vars"]["interval_sources"]
# What the models below staging read of each provider: the model, and one that reads it.
READ_BELOW = {
    "records": "int_time_records",
    "set_aside": "int_records_set_aside",
    "intervals": "int_compute_runs",
}
# Records that are no provider's own are judged by staging alone.
WITHOUT_SUITE = {"generic"}
# The provider's totals and amounts measured elsewhere are read by name: neither is an interval.
NAMED_BELOW_STAGING = {
    "stg_daytona__polls",
    "stg_daytona__poll_values",
    "stg_daytona__usage_steps",
    "stg_generic__quantities",
    "stg_generic__quantities_set_aside",
}

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
HOW_TO = README.partition("### Add a provider")[2].partition("\n## ")[0]


def _staging(provider: str) -> Path:
    return DBT_PROJECT / "models" / "staging" / provider


def _raw_tables(provider: str) -> set[str]:
    """The raw tables that the provider's staging folder says it reads."""
    file = _staging(provider) / f"_{provider}__sources.yml"
    sources = yaml.safe_load(file.read_text(encoding="utf-8"))["sources"]
    return {table["name"] for source in sources for table in source["tables"]}


def _landing_folders(provider: str) -> set[str]:
    tables = {f"raw.{name}" for name in _raw_tables(provider)}
    return {folder for folder, source in RECORD_SOURCES.items() if source.table in tables}


def _columns_read(model: str) -> set[str]:
    """The columns that an intermediate model names of each interval source."""
    text = (DBT_PROJECT / "models" / "intermediate" / "compute" / f"{model}.sql").read_text(
        encoding="utf-8"
    )
    first = re.search(r"\nselect\s(.*?)\sfrom ", text, re.DOTALL)
    assert first, model
    named = {name.strip() for name in first[1].split(",")}
    return {name for name in named if " as " not in name}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_its_staging_folder_is_whole(provider: str) -> None:
    files = {path.name for path in _staging(provider).iterdir()}
    expected = {f"_{provider}__sources.yml", f"_{provider}__models.yml"}
    assert expected | {f"stg_{provider}__{model}.sql" for model in READ_BELOW} <= files
    text = (_staging(provider) / f"_{provider}__models.yml").read_text(encoding="utf-8")
    described = {model["name"]: model for model in yaml.safe_load(text)["models"]}
    for file in sorted(files):
        if file.endswith(".sql"):
            assert described[file.removesuffix(".sql")]["description"].strip(), file


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_ingest_source_fills_each_of_its_raw_tables(provider: str) -> None:
    tables = _raw_tables(provider)
    assert tables
    assert {f"raw.{name}" for name in tables} <= {each.table for each in RECORD_SOURCES.values()}
    assert tables <= set(RAW_ASSETS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_its_raw_tables_are_expected_to_be_fresh(provider: str, manifest: Path) -> None:
    from dagster_project.definitions import defs

    graph = defs.resolve_asset_graph()
    fresh = {
        key.path[-1]
        for key in graph.materializable_asset_keys
        if key.path[0] == "raw" and graph.get(key).freshness_policy is not None
    }
    assert _raw_tables(provider) <= fresh


@pytest.mark.parametrize("provider", PROVIDERS)
def test_its_landing_folders_are_in_the_readme(provider: str) -> None:
    folders = _landing_folders(provider)
    assert folders
    for folder in folders:
        assert f"\n| `{folder}/` |" in README, folder


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - WITHOUT_SUITE))
def test_expectations_guard_what_it_loads(provider: str) -> None:
    tables = {f"raw.{name}" for name in _raw_tables(provider)}
    guarded = {suite.source: suite for suite in SUITES if suite.table in tables}
    assert set(guarded) == _landing_folders(provider)
    for source, suite in guarded.items():
        assert suite.table == RECORD_SOURCES[source].table
        assert suite.rules


def test_every_suite_is_registered_once() -> None:
    folder = REPOSITORY / "ingest" / "expectations"
    modules = [import_module(f"ingest.expectations.{path.stem}") for path in folder.glob("*.py")]
    made = [
        each
        for module in modules
        if module.__name__ != "ingest.expectations.worker"
        for each in vars(module).values()
        if isinstance(each, Suite)
    ]
    assert sorted(suite.asset for suite in made) == sorted(suite.asset for suite in SUITES)
    names = [rule.name for suite in SUITES for rule in suite.rules]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("model", READ_BELOW)
def test_the_readme_names_every_column_that_is_read(model: str) -> None:
    """A bullet for each of the three models; what is read below staging stands in it."""
    bullet = HOW_TO.partition(f"- `stg_<name>__{model}`")[2].partition("\n- ")[0]
    named = set(re.findall(r"`(\w+)`", bullet))
    columns = _columns_read(READ_BELOW[model])
    assert {"load_seq", "record_number"} <= columns or model == "intervals"
    assert columns - named == set()


def test_the_readme_names_files_that_exist() -> None:
    """With `vercel` for <name>, as the example that it says to copy."""
    paths = re.findall(r"^\| `([^`]+)`", HOW_TO, re.MULTILINE)
    assert len(paths) >= 9
    for path in paths:
        assert (REPOSITORY / path.replace("<name>", "vercel")).exists(), path


def test_nothing_below_staging_knows_a_provider_of_intervals() -> None:
    """They are read through the list: adding one changes no model below staging."""
    names = "|".join(PROVIDERS)
    pattern = re.compile(rf"stg_(?:{names})__\w+|'(?:{names})'")
    found: dict[str, Any] = {}
    for folder in ("models/intermediate", "models/marts", "tests"):
        for path in (DBT_PROJECT / folder).rglob("*.sql"):
            hits = set(pattern.findall(path.read_text(encoding="utf-8"))) - NAMED_BELOW_STAGING
            if hits:
                found[path.name] = hits
    assert found == {}
