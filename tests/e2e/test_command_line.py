"""The command line as a person uses it, on a landing zone small enough to compute by hand.

A run is half a minute of dbt, so the states that several tests look at are made once: built, late,
rebuilt, spoiled, settled, approved. A test that changes something more works in a copy.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from dagster_project.cli import cli
from reports.marts import open_marts
from tests.small_landing import NOW, plant_contradiction, write_small_landing

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]

Answer = subprocess.CompletedProcess[str]

ONE_MORE_REQUEST = (
    "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
    "q9,acct_two,api_requests,1,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
)


@dataclass(frozen=True)
class Place:
    """A folder with a landing zone and a home."""

    folder: Path

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def copied_to(self, folder: Path) -> "Place":
        """The same in another folder, to change."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Place(folder)

    def words(self, name: str, *args: str | Path) -> list[str]:
        """The words of a command on the two folders."""
        where = ("--landing", self.landing, "--home", self.home)
        return [sys.executable, "-m", "dagster_project.cli", *map(str, (name, *args, *where))]

    def command(self, name: str, *args: str | Path, **environment: str) -> Answer:
        """Run a command in a process of its own, as a person does."""
        return subprocess.run(
            self.words(name, *args),
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
            cwd=ROOT,
            env=_environment() | environment,
        )

    def ask(self, name: str, *args: str | Path) -> Answer:
        """Run a command in this process: the same, without the seconds in which one starts.

        For a question that was asked of a process of its own before.
        """
        words = self.words(name, *args)
        with warnings.catch_warnings():
            # As `main` does: they are not ours.
            warnings.simplefilter("ignore")
            found = CliRunner().invoke(cli, words[3:], env={"METERHOUSE_NOW": NOW})
        return Answer(words, found.exit_code, found.stdout, found.stderr)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the published marts."""
        with open_marts(self.home / "marts.duckdb") as con:
            return con.execute(query).fetchall()

    def quality_page(self) -> str:
        """The page of the last run."""
        return (self.home / "reports" / "quality.html").read_text()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("METERHOUSE_", "STRIPE_"))}
    return kept | {"METERHOUSE_NOW": NOW}


def _digests(answer: Answer) -> dict[str, str]:
    tables = json.loads(answer.stdout)["marts"]["tables"]
    return {name: found["digest"] for name, found in tables.items()}


def _waiting(answer: Answer) -> dict[str, int]:
    rows = json.loads(answer.stdout)["approvals_waiting"]
    return {row["account_id"]: row["total_minor"] for row in rows}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Answer]:
    """A landing zone, a home after one run of it, and what the run said."""
    place = Place(tmp_path_factory.mktemp("built"))
    write_small_landing(place.landing)
    answer = place.command("run", "--json")
    assert answer.returncode == 0, answer.stderr
    return place, answer


@pytest.fixture(scope="module")
def built(first_run: tuple[Place, Answer]) -> Place:
    """The place after the first run."""
    return first_run[0]


@pytest.fixture
def here(built: Place, tmp_path: Path) -> Place:
    """A copy of the place after the first run."""
    return built.copied_to(tmp_path / "copy")


@dataclass(frozen=True)
class Late:
    """A request that came late, and two runs at once while somebody reads the marts.

    read_before, read_after: the sum of all usage that a reader with the marts open saw.
    """

    place: Place
    answers: tuple[Answer, Answer]
    read_before: Decimal
    read_after: Decimal


@pytest.fixture(scope="module")
def late(built: Place, tmp_path_factory: pytest.TempPathFactory) -> Late:
    """One more request, loaded by two runs that start together under the eyes of a reader."""
    place = built.copied_to(tmp_path_factory.mktemp("late") / "copy")
    reader = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, duckdb; con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "q = 'select sum(quantity) from marts.marts.fct_usage_daily'\n"
            "for _ in sys.stdin: print(con.execute(q).fetchone()[0], flush=True)",
            str(place.home / "marts.duckdb"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    try:
        reader.stdin.write("\n")
        reader.stdin.flush()
        before = Decimal(reader.stdout.readline())
        (place.landing / "quantities" / "more.csv").write_text(ONE_MORE_REQUEST)
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(lambda _: place.command("run", "--json"), range(2))
        reader.stdin.write("\n")
        reader.stdin.flush()
        after = Decimal(reader.stdout.readline())
    finally:
        reader.stdin.close()
        reader.stdout.close()
        reader.wait(timeout=60)
    assert [one.returncode, other.returncode] == [0, 0], [one.stderr, other.stderr]
    return Late(place, (one, other), before, after)


@pytest.fixture(scope="module")
def rebuilt(late: Late, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """What a full refresh says of the landing zone with one more request."""
    place = late.place.copied_to(tmp_path_factory.mktemp("rebuilt") / "copy")
    answer = place.command("run", "--full-refresh", "--json")
    assert answer.returncode == 0, answer.stderr
    return answer


@pytest.fixture(scope="module")
def spoiled(built: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A subscription that the warehouse has twice and a bad record, after a run that it stopped."""
    place = built.copied_to(tmp_path_factory.mktemp("spoiled") / "copy")
    with duckdb.connect(str(place.home / "warehouse.duckdb")) as con:
        con.execute("insert into raw.subscriptions from raw.subscriptions limit 1")
    (place.landing / "quantities" / "bad.csv").write_text(
        "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
        "q9,acct_two,api_requests,many,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
    )
    assert place.command("run").returncode == 1
    return place


@pytest.fixture(scope="module")
def settled(spoiled: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The spoiled place with its data corrected, after another run."""
    place = spoiled.copied_to(tmp_path_factory.mktemp("settled") / "copy")
    with duckdb.connect(str(place.home / "warehouse.duckdb")) as con:
        con.execute(
            "delete from raw.subscriptions where rowid = (select max(rowid) from raw.subscriptions)"
        )
    (place.landing / "quantities" / "bad.csv").unlink()
    answer = place.command("run")
    assert answer.returncode == 0, answer.stderr
    return place


@pytest.fixture(scope="module")
def first_approval(
    settled: Place, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, Answer]:
    """The settled place after the approval of one account's month, and what it said."""
    place = settled.copied_to(tmp_path_factory.mktemp("approved") / "copy")
    answer = place.command(
        *("approve", "--period", "2026-08", "--by", "Ann", "--account", "acct_one", "--json")
    )
    assert answer.returncode == 0, answer.stderr
    return place, answer


@pytest.fixture
def approved(first_approval: tuple[Place, Answer], tmp_path: Path) -> Place:
    """A copy of the place after the first approval."""
    return first_approval[0].copied_to(tmp_path / "copy")


def test_the_first_run_is_right_to_the_cent(first_run: tuple[Place, Answer]) -> None:
    """An hour at 0.0001 a second and three requests at 0.50: 0.36 + 1.50; ten requests: 5.00."""
    built, said = first_run
    assert said.stderr == ""
    assert _waiting(said) == {"acct_one": 186, "acct_two": 500}
    answer = json.loads(said.stdout)
    usage = {row["meter_id"]: Decimal(row["quantity"]) for row in answer["usage"]}
    assert usage == {"api_requests": Decimal(13), "sandbox_seconds": Decimal(3600)}
    loads = sum(row["records"] for row in answer["loads"])
    assert sum(row["rows"] for row in answer["rows"]) == loads
    assert answer["discrepancies"] == []
    assert set(answer["seconds"]) >= {"load", "build", "publish"}
    assert {path.stem for path in (built.home / "marts").glob("*.parquet")} == set(
        answer["marts"]["tables"]
    )


def test_a_second_run_finds_nothing_new(first_run: tuple[Place, Answer], here: Place) -> None:
    before = (here.home / "marts.duckdb").stat().st_ino
    answer = here.command("run", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["run"]["nothing_new"]
    assert "build" not in found["seconds"]
    assert _digests(answer) == _digests(first_run[1])
    assert (here.home / "marts.duckdb").stat().st_ino == before


def test_late_usage_is_added_and_equals_a_full_refresh(late: Late, rebuilt: Answer) -> None:
    assert _waiting(late.answers[0]) == {"acct_one": 186, "acct_two": 550}
    assert _digests(rebuilt) == _digests(late.answers[0])


def test_two_runs_at_once_take_turns(late: Late) -> None:
    """One writer: the second waits for the first, finds nothing to build, and both are right."""
    one, other = late.answers
    # The first run's build, and that of one of the two.
    log = late.place.home / "dbt" / "logs" / "dbt.log"
    assert log.read_text().count("Finished running") == 2
    assert _digests(one) == _digests(other)
    assert _waiting(one) == _waiting(other) == {"acct_one": 186, "acct_two": 550}


def test_a_reader_holds_the_marts_through_a_whole_run(late: Late) -> None:
    """Nobody reading waits for a run, blocks it, or sees half of it."""
    assert late.read_after == late.read_before
    (now,) = late.place.rows("select sum(quantity) from marts.fct_usage_daily")[0]
    assert now == late.read_before + 1


def test_another_price_book(here: Place) -> None:
    """A request at 0.60 instead of 0.50: three of them cost 0.30 more, ten cost 1.00 more."""
    other = here.folder / "other"
    shutil.copytree(here.landing / "pricebook", other)
    for path in other.iterdir():
        path.write_text(path.read_text().replace('"0.50"', '"0.60"'))
    asked = ("whatif", "--period", "2026-08", "--pricebook")
    answer = here.command(*asked, other, "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert {row["account_id"]: row["difference_minor"] for row in found["differences"]} == {
        "acct_one": 30,
        "acct_two": 100,
    }
    report = json.loads((here.home / "reports" / "whatif_2026-08.json").read_text())
    assert report == found
    same = here.ask(*asked, here.landing / "pricebook")
    assert same.returncode == 0, same.stderr
    assert "0 lines differ" in same.stdout
    (other / "more.yaml").write_text("plans:\n  - colour: red\n")
    bad = here.ask(*asked, other)
    assert bad.returncode == 2
    assert "other/more.yaml:2: plans[0]" in bad.stderr
    unknown = here.ask("whatif", "--period", "2031-01", "--pricebook", other)
    assert unknown.returncode == 2


def test_a_failing_check_stops_the_run_and_keeps_the_marts(here: Place) -> None:
    """Two different events under one id: no marts, no approval, no push, until it is settled."""
    published = (here.home / "marts.duckdb").stat().st_ino
    bad = plant_contradiction(here.landing)
    stopped = here.command("run", "--json")
    assert stopped.returncode == 1
    assert stopped.stderr.count("\n") == 1
    assert "e2b_event_id_means_one_event" in stopped.stderr
    assert "2 failing rows" in stopped.stderr
    assert bad.name in stopped.stderr
    assert json.loads(stopped.stdout)["exit_code"] == 1
    assert (here.home / "marts.duckdb").stat().st_ino == published

    for refused in (
        here.ask("approve", "--period", "2026-08", "--by", "Ann"),
        here.command("push", "--period", "2026-08"),
    ):
        assert refused.returncode == 1
        assert "check e2b_event_id_means_one_event in raw.e2b_events failed" in refused.stderr
        assert f"{bad.name} record 1, e2b/{bad.name} record 2" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert not (here.home / "ledger.sqlite").exists()
    status = json.loads(here.command("status", "--json").stdout)
    (failing,) = status["failing_checks"]
    assert failing["check_name"] == "e2b_event_id_means_one_event"
    assert failing["first_rows"] == [f"e2b/{bad.name} record 1", f"e2b/{bad.name} record 2"]
    page = here.quality_page()
    assert "1 blocking check fails." in page
    assert f"e2b/{bad.name}" in page
    assert "sbx8" in page, "the failing record itself"


def test_a_failing_test_of_the_models_refuses_approval_and_names_the_row(spoiled: Place) -> None:
    """A subscription that is there twice; and a bad record."""
    refused = spoiled.ask("approve", "--period", "2026-08", "--by", "Ann")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    check = "check unique_stg_accounts__subscriptions_subscription_id"
    failed = f"{check} in stg_accounts__subscriptions failed: 1 failing rows; first: "
    assert f"cannot approve: {failed}" in refused.stderr
    assert '"subscription_id": "sub_one"' in refused.stderr
    page = spoiled.quality_page()
    assert "Expected: subscription_id is never repeated" in page
    assert "sub_one" in page

    status = spoiled.command("status").stdout
    assert "Waiting in quarantine: 1 records\n  quantities: 1\n" in status
    reason = "quantity must be a decimal number, not 'many'"
    assert f"    1 x {reason}; first: quantities/bad.csv record 1\n" in status
    assert "Failing checks: 1, of which 1 block; nothing is published, approved or" in status
    assert f"  blocking: {check}" in status


def test_what_was_corrected_can_be_approved(
    settled: Place, first_approval: tuple[Place, Answer]
) -> None:
    page = settled.quality_page()
    assert "Every check passes and every record was read." in page
    assert "1 more record was in files that have been replaced or taken away since." in page
    place, answer = first_approval
    (found,) = json.loads(answer.stdout)["approved"]
    assert (found["account_id"], found["total_minor"]) == ("acct_one", 186)
    statuses = "select account_id, status from marts.fct_statements where period = '2026-08'"
    assert dict(place.rows(statuses)) == {"acct_one": "approved", "acct_two": "closed"}
    assert place.rows("select approved_by from ops.approvals") == [("Ann",)]


def test_what_cannot_be_approved_is_named(settled: Place) -> None:
    early = settled.command("approve", "--period", "2026-09", "--by", "Ann")
    assert early.returncode == 2
    assert "is open until 2026-10-01T00:00:00Z" in early.stderr
    unknown = settled.ask("approve", "--period", "2026-08", "--by", "Ann", "--account", "nobody")
    assert unknown.returncode == 2
    assert "nobody" in unknown.stderr


def test_what_is_approved_goes_to_the_outbox_and_is_exported(approved: Place) -> None:
    dry = approved.ask("push", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout)["planned"] == 2
    assert not (approved.home / "outbox").exists()
    pushed = approved.command("push", "--period", "2026-08")
    assert pushed.returncode == 0, pushed.stderr
    assert "STRIPE_SECRET_KEY is not set, nothing was sent" in pushed.stdout
    assert list((approved.home / "outbox").iterdir())

    out = approved.folder / "out"
    exported = approved.command(
        "export", "charges", "--from", "2026-08-01", "--to", "2026-09-01", "--out", out, "--json"
    )
    assert exported.returncode == 0, exported.stderr
    manifest = json.loads(exported.stdout)
    assert manifest["files"][0]["rows"] == 3
    assert manifest["control_totals"][0]["amount_minor"] == 686
    assert json.loads((out / "manifest.json").read_text())["files"] == manifest["files"]

    status = approved.command("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["failing_checks"] == []


def test_push_to_the_local_server_once(approved: Place) -> None:
    """Approved totals arrive, no others; a second push sends nothing; the marts show it."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster_project.cli", "stripe-server"),
            *("--port", "0", "--now", NOW),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=_environment(),
    )
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip().removeprefix("listening on ")
        assert address.startswith("http://127.0.0.1:")
        stripe = {"STRIPE_API_BASE": address, "STRIPE_SECRET_KEY": "sk_test_local"}
        pushed = approved.command("push", "--create-meters", "--json", **stripe)
        assert pushed.returncode == 0, pushed.stderr
        first = json.loads(pushed.stdout)
        assert (first["mode"], first["sent"], first["complete"]) == ("sent", 2, True)
        again = approved.command("push", "--period", "2026-08", "--json", **stripe)
        assert again.returncode == 0, again.stderr
        second = json.loads(again.stdout)
        assert (second["sent"], second["already_delivered"]) == (0, 2)
        statuses = "select account_id, status from marts.fct_statements where period = '2026-08'"
        assert dict(approved.rows(statuses)) == {"acct_one": "pushed", "acct_two": "closed"}
        states = approved.rows("select state, count(*) from ops.pushes group by state")
        assert states == [("accepted", 2)]
    finally:
        server.terminate()
        server.stdout.close()
        assert server.wait(timeout=30) == 0


def test_a_killed_run_is_cleaned_up_by_the_next(here: Place, rebuilt: Answer) -> None:
    """Killed in mid-build: the next run neither waits for it nor trusts what it left."""
    (here.landing / "quantities" / "more.csv").write_text(ONE_MORE_REQUEST)
    killed = subprocess.Popen(
        here.words("run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=_environment() | {"PYTHONUNBUFFERED": "1"},
    )
    assert killed.stdout is not None
    try:
        while not killed.stdout.readline().startswith("build"):
            assert killed.poll() is None
        time.sleep(2)
    finally:
        killed.kill()
        killed.stdout.close()
        killed.wait(timeout=30)
    answer = here.command("run", "--json")
    assert answer.returncode == 0, answer.stderr
    assert _digests(answer) == _digests(rebuilt)
