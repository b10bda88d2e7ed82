"""A build that is killed, and one that finds the disk full.

The project is tiny; its profile and what it does at its end are the product's, for they decide when
a build becomes part of the file.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import TimeoutExpired

import duckdb
import pytest
import yaml

from dagster_project.lib.paths import DBT_PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.faults]

FIRST = "{{ config(materialized='table') }} select * from range(200000) as t(number)"
# 10^13 rows of sums are not done in this test's time: the build is killed inside of it.
ENDLESS = (
    "{{ config(materialized='table') }}"
    " select sum(hash(number)) as total from range(10000000000000) as t(number)"
    " where (select count(*) from {{ ref('first') }}) > 0"
)

BUILD = """
import resource, sys
from pathlib import Path
from dagster_project.lib.dbt_build import run_dbt
from dagster_project.lib.paths import HomeLayout
folder, largest = Path(sys.argv[1]), int(sys.argv[2])
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
outcome = run_dbt(
    HomeLayout(folder),
    warehouse=folder / "warehouse.duckdb",
    project=folder / "dbt",
    on_node=lambda name, index, total: print(name, flush=True),
)
print("error:", outcome.error, [node.message for node in outcome.stopping], flush=True)
sys.exit(bool(outcome.error or outcome.stopping))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home whose build made the table `first`, of one row that says so."""
    project = tmp_path / "dbt"
    (project / "models").mkdir(parents=True)
    shutil.copy(DBT_PROJECT / "profiles.yml", project)
    settings = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())
    tiny = {name: settings[name] for name in ("profile", "on-run-end", "flags")}
    (project / "dbt_project.yml").write_text(
        yaml.safe_dump({"name": "tiny", "version": "1.0.0", **tiny})
    )
    (project / "models" / "first.sql").write_text(
        "{{ config(materialized='table') }} select -1 as number"
    )
    assert _built(tmp_path) == 0
    assert _first(tmp_path) == [(-1,)]
    return tmp_path


def test_a_build_that_is_killed_changed_nothing(folder: Path) -> None:
    (folder / "dbt" / "models" / "first.sql").write_text(FIRST)
    (folder / "dbt" / "models" / "second.sql").write_text(ENDLESS)
    with _build(folder) as build:
        assert build.stdout is not None
        # A model is named when it is done: `first` is committed, `second` has begun.
        assert build.stdout.readline() == "first\n"
        time.sleep(1)
        build.send_signal(signal.SIGKILL)
    assert _first(folder) == [(-1,)]
    (folder / "dbt" / "models" / "second.sql").unlink()
    assert _built(folder) == 0
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("select count(*), sum(number) from main.first").fetchall() == [
            (200_000, 199_999 * 100_000)
        ]


def test_a_full_disk_is_said_and_changes_nothing(folder: Path) -> None:
    # 100,000 rows of ten numbers without any order: 8 MB that cannot be made smaller. They are less
    # than a row group, so nothing writes them before the build's end, and closing says nothing.
    numbers = ", ".join(f"hash(number + {column}) as number_{column}" for column in range(10))
    (folder / "dbt" / "models" / "first.sql").write_text(
        f"{{{{ config(materialized='table') }}}} select {numbers} from range(100000) as t(number)"
    )
    with _build(folder, largest_file=2_000_000) as build:
        said = build.communicate(timeout=120)[0]
    assert build.returncode == 1, said
    assert "File too large" in said
    assert _first(folder) == [(-1,)]


def test_a_build_waits_for_a_process_that_holds_the_file(folder: Path) -> None:
    (folder / "dbt" / "models" / "first.sql").write_text(
        "{{ config(materialized='table') }} select 7 as number"
    )
    with _build(folder) as build:
        # Nothing but the file is in its way: it would have ended long before.
        with duckdb.connect(str(folder / "warehouse.duckdb")), pytest.raises(TimeoutExpired):
            build.wait(timeout=15)
        build.communicate(timeout=120)
    assert build.returncode == 0
    assert _first(folder) == [(7,)]


def _build(folder: Path, largest_file: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder), str(largest_file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )


def _built(folder: Path) -> int:
    with _build(folder) as build:
        build.communicate(timeout=120)
    return build.returncode


def _first(folder: Path) -> list[tuple[int]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
        return con.execute("select number from main.first").fetchall()
