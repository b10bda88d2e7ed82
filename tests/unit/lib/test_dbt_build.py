"""The one call of dbt."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from dagster_project.lib.dbt_build import DbtOutcome, build_dbt_args, run_dbt
from dagster_project.lib.dbt_project import code_digest, prepare_manifest
from dagster_project.lib.paths import DBT_PROJECT, HomeLayout
from ingest.errors import UsageError

LAYOUT = HomeLayout(Path("/home"))

PROJECT = {
    "dbt_project.yml": """
name: tiny
version: "1.0.0"
profile: tiny
flags: {send_anonymous_usage_stats: false}
models: {tiny: {+materialized: table}}
""",
    "profiles.yml": """
tiny:
  target: warehouse
  outputs:
    warehouse:
      type: duckdb
      path: "{{ env_var('METERHOUSE_WAREHOUSE') }}"
      threads: 1
""",
    "models/first.sql": "select 1 as a union all select 2",
    "models/second.sql": "select a from {{ ref('first') }}",
    "tests/assert_no_two.sql": "select * from {{ ref('first') }} where a = 2",
    "tests/assert_warned.sql": (
        "{{ config(severity='warn') }} select * from {{ ref('second') }} where a = 1"
    ),
    "tests/generic/never_missing.sql": (
        DBT_PROJECT / "tests/generic/never_missing.sql"
    ).read_text(),
    "models/told.sql": "select * from (values (1, 'x'), (null, 'y'), (null, null)) as t(a, b)",
    "models/told.yml": """
models:
  - name: told
    data_tests:
      - never_missing:
          arguments: {columns: [a, b]}
          config: {severity: warn}
""",
}


@pytest.mark.unit
def test_arguments_of_a_build() -> None:
    args = build_dbt_args(LAYOUT, project=Path("/repo/dbt"))
    assert args[0] == "build"
    assert {
        ("--project-dir", "/repo/dbt"),
        ("--profiles-dir", "/repo/dbt"),
        ("--target-path", "/home/dbt/target"),
        ("--exclude-resource-type", "unit_test"),
    } <= set(pairwise(args))
    assert "--no-send-anonymous-usage-stats" in args
    assert not {"--full-refresh", "--select", "--threads"} & set(args)


@pytest.mark.unit
def test_arguments_of_a_full_refresh_of_some_models() -> None:
    args = build_dbt_args(LAYOUT, full_refresh=True, select=["a+", "b"], threads=2)
    assert "--full-refresh" in args
    assert args[-6:] == ["--select", "a+", "--select", "b", "--threads", "2"]


@pytest.mark.unit
def test_the_digest_follows_content_and_names(tmp_path: Path) -> None:
    project = _write_project(tmp_path / "dbt")
    first = code_digest(project)
    (project / "target").mkdir()
    (project / "target" / "manifest.json").write_text("{}")
    assert code_digest(project) == first
    (project / "models" / "first.sql").rename(project / "models" / "third.sql")
    renamed = code_digest(project)
    (project / "models" / "third.sql").write_text("select 3 as a")
    assert len({first, renamed, code_digest(project)}) == 3


@pytest.fixture
def outcome(tmp_path: Path) -> DbtOutcome:
    project = _write_project(tmp_path / "dbt")
    (tmp_path / "home").mkdir()
    return run_dbt(
        HomeLayout(tmp_path / "home"),
        warehouse=tmp_path / "home" / "warehouse.duckdb",
        project=project,
    )


@pytest.mark.integration
def test_results_of_models_and_tests(outcome: DbtOutcome) -> None:
    nodes = {node.name: node for node in outcome.nodes}
    assert nodes["first"].status == "success"
    assert nodes["first"].database_seconds > 0
    failed = nodes["assert_no_two"]
    assert (failed.status, failed.failures, failed.stops_the_build) == ("fail", 1, True)
    assert failed.tested_model == "first"
    assert "where a = 2" in failed.failing_sql
    assert nodes["second"].status == "skipped"
    assert [node.name for node in outcome.stopping] == ["assert_no_two"]
    assert outcome.error is None


@pytest.mark.integration
def test_what_is_missing_is_named(outcome: DbtOutcome, tmp_path: Path) -> None:
    (found,) = (node for node in outcome.nodes if node.name == "never_missing_told_a__b")
    assert (found.status, found.failures, found.tested_model) == ("warn", 2, "told")
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb")) as con:
        rows = con.execute(f"select * from ({found.failing_sql}) order by missing").fetchall()
    assert rows == [("a", None, "y"), ("a, b", None, None)]


@pytest.mark.integration
def test_the_warehouse_is_free_for_others_after_a_failed_build(
    outcome: DbtOutcome, tmp_path: Path
) -> None:
    """dbt keeps its connection; if it stayed, every other process would be locked out."""
    path = tmp_path / "home" / "warehouse.duckdb"
    assert outcome.stopping
    subprocess.run(
        [sys.executable, "-c", f"import duckdb; duckdb.connect({str(path)!r}).close()"],
        check=True,
        timeout=60,
    )
    duckdb.connect(str(path), read_only=True).close()
    assert "METERHOUSE_WAREHOUSE" not in os.environ


@pytest.mark.integration
def test_a_warning_does_not_stop(tmp_path: Path) -> None:
    project = _write_project(tmp_path / "dbt", leave_out="tests/assert_no_two.sql")
    outcome = run_dbt(
        HomeLayout(tmp_path / "home"), warehouse=tmp_path / "warehouse.duckdb", project=project
    )
    nodes = {node.name: node for node in outcome.nodes}
    assert (nodes["assert_warned"].status, outcome.stopping) == ("warn", ())
    assert nodes["second"].succeeded


@pytest.mark.integration
def test_a_project_that_does_not_parse_says_so(tmp_path: Path) -> None:
    project = _write_project(tmp_path / "dbt")
    (project / "models" / "first.sql").write_text("select {{ nothing(")
    with pytest.raises(UsageError, match="does not parse"):
        prepare_manifest(project)


@pytest.mark.integration
def test_an_unchanged_project_is_parsed_once(tmp_path: Path) -> None:
    project = _write_project(tmp_path / "dbt")
    manifest = prepare_manifest(project)
    written = manifest.stat().st_mtime_ns
    assert prepare_manifest(project).stat().st_mtime_ns == written
    (project / "models" / "first.sql").write_text("select 5 as a")
    assert prepare_manifest(project).stat().st_mtime_ns > written


def _write_project(folder: Path, leave_out: str = "") -> Path:
    for name, content in PROJECT.items():
        if name != leave_out:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return folder
