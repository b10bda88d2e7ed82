"""The rooms of the house: who may import whom."""

import subprocess
import sys

import pytest

from dagster_project.lib.paths import REPOSITORY

pytestmark = pytest.mark.unit

_IMPORT_ALL = """
import importlib, pkgutil, sys
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    importlib.import_module(module.name)
print([name for name in sys.modules if name.split(".")[0] in {banned!r}])
"""


def _imported(package: str, banned: set[str]) -> str:
    answer = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL.format(package=package, banned=banned)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        timeout=120,
    )
    return answer.stdout.strip()


def test_ingest_never_imports_the_orchestrator() -> None:
    assert _imported("ingest", {"dagster", "dagster_dbt", "dagster_project"}) == "[]"


def test_reports_never_import_the_orchestrator() -> None:
    assert _imported("reports", {"dagster", "dagster_dbt"}) == "[]"


def test_lib_needs_no_manifest_and_no_dbt() -> None:
    assert _imported("dagster_project.lib", {"dagster_dbt", "dbt"}) == "[]"


def test_bad_usage_is_answered_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys, dagster_project.cli as c; sys.argv = ['meterhouse', '--help']; c._exit_code();"
        "heavy = {'dagster', 'dbt', 'polars', 'pandas', 'great_expectations', 'stripe'};"
        "sys.stderr.write(str(sorted(heavy & set(sys.modules))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        timeout=60,
    )
    assert answer.stderr == "[]"
