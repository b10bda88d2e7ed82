"""Publishing: atomic for readers, skipped when nothing changed."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from reports.marts import open_marts
from reports.publish import Build, publish, read_publication
from tests.unit.reports.made_marts import write_warehouse

pytestmark = pytest.mark.unit

BUILD = Build(1, "run-1", datetime(2026, 9, 1, tzinfo=UTC), "abc")
NEXT = Build(2, "run-2", datetime(2026, 9, 2, tzinfo=UTC), "abc")

# A reader in another process: it opens the marts, says so, and reads again when told to.
READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
query = "select sum(quantity) from marts.marts.fct_numbers"
for _ in sys.stdin:
    print(con.execute(query).fetchone()[0], flush=True)
"""


class Paths:
    """The files of one home."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = folder / "warehouse.duckdb"
        self.database = folder / "marts.duckdb"
        self.folder = folder / "marts"

    def publish(self, build: Build) -> bool:
        return publish(self.warehouse, self.database, self.folder, build).changed


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path)
    write_warehouse(found.warehouse)
    return found


def _quantities(paths: Paths) -> tuple[str, str]:
    with open_marts(paths.database) as con:
        row = con.execute("select sum(quantity) from marts.fct_numbers").fetchone()
    ((parquet,),) = duckdb.sql(
        f"select sum(quantity) from '{paths.folder}/fct_numbers.parquet'"
    ).fetchall()
    return str(row and row[0]), str(parquet)


def test_marts_and_parquet_hold_the_warehouse(paths: Paths) -> None:
    assert paths.publish(BUILD)
    assert _quantities(paths) == ("5.0000000000000000", "5.0000000000000000")
    described = duckdb.sql(f"describe from '{paths.folder}/fct_numbers.parquet'").fetchall()
    types = {row[0]: row[1] for row in described}
    assert types["large"] == "DECIMAL(38,0)", "a 128-bit integer must not become a float"
    with open_marts(paths.database) as con:
        comment = con.execute(
            "select comment from duckdb_columns() "
            "where table_name = 'fct_numbers' and column_name = 'quantity'"
        ).fetchone()
        build = con.execute("select run_id, pricebook_digest from ops.build").fetchone()
    assert comment == ("It's exact.",)
    assert build == ("run-1", "abc")


def test_unchanged_marts_are_left_alone(paths: Paths) -> None:
    assert paths.publish(BUILD)
    before = paths.database.stat().st_ino, paths.folder.resolve()
    write_warehouse(paths.warehouse)
    assert not paths.publish(NEXT)
    assert (paths.database.stat().st_ino, paths.folder.resolve()) == before
    assert read_publication(paths.database, paths.folder).tables["fct_numbers"].rows == 2


@pytest.mark.parametrize("lost", ["database", "folder"])
def test_lost_files_are_published_again(paths: Paths, lost: str) -> None:
    paths.publish(BUILD)
    Path(getattr(paths, lost)).unlink()
    assert paths.publish(NEXT)
    assert _quantities(paths) == ("5.0000000000000000", "5.0000000000000000")


def test_reader_in_another_process_sees_one_whole_publication(paths: Paths) -> None:
    """A reader that opened the marts before a run reads the same after it, and never waits."""
    paths.publish(BUILD)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(paths.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    try:
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline().strip() == "5.0000000000000000"
        write_warehouse(paths.warehouse, quantity="10")
        assert paths.publish(NEXT)
        assert _quantities(paths) == ("20.0000000000000000", "20.0000000000000000")
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline().strip() == "5.0000000000000000"
    finally:
        reader.stdin.close()
        reader.stdout.close()
        reader.wait(timeout=60)


def test_a_failure_half_way_leaves_what_was_published(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.publish(BUILD)
    write_warehouse(paths.warehouse, quantity="10")

    def broken(*_: object) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr("reports.publish._write_parquet", broken)
    with pytest.raises(OSError, match="disk full"):
        paths.publish(NEXT)
    assert _quantities(paths) == ("5.0000000000000000", "5.0000000000000000")
    assert not list(paths.database.parent.glob("*.tmp*"))
    assert not list(paths.database.parent.glob(".*.tmp*"))


def test_one_earlier_folder_is_kept_for_readers_half_way(paths: Paths) -> None:
    folders = []
    for number in range(1, 5):
        write_warehouse(paths.warehouse, quantity=str(number))
        paths.publish(Build(number, f"run-{number}", BUILD.as_of, "abc"))
        folders.append(paths.folder.resolve())
    assert [folder.exists() for folder in folders] == [False, False, True, True]


def test_a_folder_of_somebody_else_is_not_replaced(paths: Paths) -> None:
    paths.folder.mkdir()
    (paths.folder / "mine.txt").write_text("mine")
    with pytest.raises(IsADirectoryError, match="move it away"):
        paths.publish(BUILD)
    assert (paths.folder / "mine.txt").read_text() == "mine"
