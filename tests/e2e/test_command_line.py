"""The command line as a person uses it, on a landing zone small enough to compute by hand."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reports.marts import open_marts
from tests.conftest import Cli
from tests.small_landing import NOW, plant_contradiction, write_small_landing

pytestmark = pytest.mark.e2e

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a landing zone and a home after one run; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("built")
    write_small_landing(folder / "landing")
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "dagster_project.cli", "run", "--json"),
            *("--landing", str(folder / "landing"), "--home", str(folder / "home")),
        ],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
        cwd=Path(__file__).parents[2],
        env=_environment(),
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    (folder / "answer.json").write_text(answer.stdout)
    return folder


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("METERHOUSE_", "STRIPE_"))}
    return kept | {"METERHOUSE_NOW": NOW}


@pytest.fixture
def here(built: Path, tmp_path: Path) -> Path:
    """A copy of the built folder."""
    folder = tmp_path / "copy"
    shutil.copytree(built, folder, symlinks=True)
    return folder


@pytest.fixture
def command(here: Path, run_cli: Cli) -> Command:
    def run(name: str, *args: str | Path, **environment: str) -> Any:
        where = ("--landing", here / "landing", "--home", here / "home")
        return run_cli(name, *args, *where, **environment)

    return run


def _rows(here: Path, query: str) -> list[tuple[Any, ...]]:
    with open_marts(here / "home" / "marts.duckdb") as con:
        return con.execute(query).fetchall()


def _digests(answer: dict[str, Any]) -> dict[str, str]:
    return {name: found["digest"] for name, found in answer["marts"]["tables"].items()}


def test_the_first_run_is_right_to_the_cent(built: Path) -> None:
    """An hour at 0.0001 a second and three requests at 0.50: 0.36 + 1.50; ten requests: 5.00."""
    answer = json.loads((built / "answer.json").read_text())
    waiting = {row["account_id"]: row["total_minor"] for row in answer["approvals_waiting"]}
    assert waiting == {"acct_one": 186, "acct_two": 500}
    usage = {row["meter_id"]: Decimal(row["quantity"]) for row in answer["usage"]}
    assert usage == {"api_requests": Decimal(13), "sandbox_seconds": Decimal(3600)}
    loads = sum(row["records"] for row in answer["loads"])
    assert sum(row["rows"] for row in answer["rows"]) == loads
    assert answer["discrepancies"] == []
    assert set(answer["seconds"]) >= {"load", "build", "publish"}
    assert {path.stem for path in (built / "home" / "marts").glob("*.parquet")} == set(
        answer["marts"]["tables"]
    )


def test_a_second_run_finds_nothing_new(here: Path, command: Command) -> None:
    before = (here / "home" / "marts.duckdb").stat().st_ino
    answer = command("run", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["run"]["nothing_new"]
    assert "build" not in found["seconds"]
    assert _digests(found) == _digests(json.loads((here / "answer.json").read_text()))
    assert (here / "home" / "marts.duckdb").stat().st_ino == before


def test_late_usage_is_added_and_equals_a_full_refresh(here: Path, command: Command) -> None:
    late = here / "landing" / "quantities" / "late.csv"
    late.write_text(
        "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
        "q9,acct_two,api_requests,1,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
    )
    added = command("run", "--json")
    assert added.returncode == 0, added.stderr
    found = json.loads(added.stdout)
    waiting = {row["account_id"]: row["total_minor"] for row in found["approvals_waiting"]}
    assert waiting == {"acct_one": 186, "acct_two": 550}
    rebuilt = command("run", "--full-refresh", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert _digests(json.loads(rebuilt.stdout)) == _digests(found)


def test_another_price_book(here: Path, command: Command) -> None:
    """A request at 0.60 instead of 0.50: three of them cost 0.30 more, ten cost 1.00 more."""
    other = here / "other"
    shutil.copytree(here / "landing" / "pricebook", other)
    for path in other.iterdir():
        path.write_text(path.read_text().replace('"0.50"', '"0.60"'))
    asked = ("whatif", "--period", "2026-08", "--pricebook")
    answer = command(*asked, other, "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert {row["account_id"]: row["difference_minor"] for row in found["differences"]} == {
        "acct_one": 30,
        "acct_two": 100,
    }
    report = json.loads((here / "home" / "reports" / "whatif_2026-08.json").read_text())
    assert report == found
    same = command(*asked, here / "landing" / "pricebook")
    assert same.returncode == 0, same.stderr
    assert "0 lines differ" in same.stdout
    (other / "more.yaml").write_text("plans:\n  - colour: red\n")
    bad = command(*asked, other)
    assert bad.returncode == 2
    assert "other/more.yaml:2: plans[0]" in bad.stderr
    unknown = command("whatif", "--period", "2031-01", "--pricebook", other)
    assert unknown.returncode == 2


def test_approve_push_and_export(here: Path, command: Command) -> None:
    """The way of a month: approved, put into the outbox, exported; each visible in the marts."""
    early = command("approve", "--period", "2026-09", "--by", "Ann")
    assert early.returncode == 2
    assert "is open until 2026-10-01T00:00:00Z" in early.stderr
    unknown = command("approve", "--period", "2026-08", "--by", "Ann", "--account", "nobody")
    assert unknown.returncode == 2
    assert "nobody" in unknown.stderr

    one = command(
        "approve", "--period", "2026-08", "--by", "Ann", "--account", "acct_one", "--json"
    )
    assert one.returncode == 0, one.stderr
    (approved,) = json.loads(one.stdout)["approved"]
    assert (approved["account_id"], approved["total_minor"]) == ("acct_one", 186)
    statuses = "select account_id, status from marts.fct_statements where period = '2026-08'"
    assert dict(_rows(here, statuses)) == {"acct_one": "approved", "acct_two": "closed"}
    assert _rows(here, "select approved_by from ops.approvals") == [("Ann",)]

    dry = command("push", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout)["planned"] == 2
    assert not (here / "home" / "outbox").exists()
    pushed = command("push", "--period", "2026-08")
    assert pushed.returncode == 0, pushed.stderr
    assert "STRIPE_SECRET_KEY is not set, nothing was sent" in pushed.stdout
    assert list((here / "home" / "outbox").iterdir())

    out = here / "out"
    exported = command(
        "export", "charges", "--from", "2026-08-01", "--to", "2026-09-01", "--out", out, "--json"
    )
    assert exported.returncode == 0, exported.stderr
    manifest = json.loads(exported.stdout)
    assert manifest["files"][0]["rows"] == 3
    assert manifest["control_totals"][0]["amount_minor"] == 686
    assert json.loads((out / "manifest.json").read_text())["files"] == manifest["files"]

    status = command("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["failing_checks"] == []


def test_a_failing_check_stops_the_run_and_keeps_the_marts(here: Path, command: Command) -> None:
    """Two different events under one id: no marts, no approval, no push, until it is settled."""
    published = (here / "home" / "marts.duckdb").stat().st_ino
    bad = plant_contradiction(here / "landing")
    stopped = command("run", "--json")
    assert stopped.returncode == 1
    assert stopped.stderr.count("\n") == 1
    assert "e2b_event_id_means_one_event" in stopped.stderr
    assert "2 failing rows" in stopped.stderr
    assert bad.name in stopped.stderr
    assert json.loads(stopped.stdout)["exit_code"] == 1
    assert (here / "home" / "marts.duckdb").stat().st_ino == published

    for refused in (
        command("approve", "--period", "2026-08", "--by", "Ann"),
        command("push", "--period", "2026-08"),
    ):
        assert refused.returncode == 1
        assert "check e2b_event_id_means_one_event in raw.e2b_events failed" in refused.stderr
        assert f"{bad.name} record 1, e2b/{bad.name} record 2" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert not (here / "home" / "ledger.sqlite").exists()
    status = json.loads(command("status", "--json").stdout)
    (failing,) = status["failing_checks"]
    assert failing["check_name"] == "e2b_event_id_means_one_event"
    assert failing["first_rows"] == [f"e2b/{bad.name} record 1", f"e2b/{bad.name} record 2"]
    page = (here / "home" / "reports" / "quality.html").read_text()
    assert "1 blocking check fails." in page
    assert f"e2b/{bad.name}" in page
    assert "sbx8" in page, "the failing record itself"


def test_a_failing_test_of_the_models_refuses_approval_and_names_the_row(
    here: Path, command: Command
) -> None:
    """A credit of an account that does not exist, then corrected; and a bad record."""
    credits = here / "landing" / "credits.csv"
    good = credits.read_text()
    credits.write_text(good + "credit_bad,nobody,5,usd,paid,,,,\n")
    (here / "landing" / "quantities" / "bad.csv").write_text(
        "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
        "q9,acct_two,api_requests,many,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
    )
    stopped = command("run")
    assert stopped.returncode == 1
    refused = command("approve", "--period", "2026-08", "--by", "Ann")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "cannot approve: check relationships_stg_accounts__credits" in refused.stderr
    assert "in stg_accounts__credits failed: 1 failing rows; first: " in refused.stderr
    assert '"credit_id": "credit_bad"' in refused.stderr
    page = (here / "home" / "reports" / "quality.html").read_text()
    assert "Expected: every account_id is in stg_accounts__accounts" in page
    assert "credit_bad" in page

    status = command("status").stdout
    assert "Waiting in quarantine: 1 records\n  quantities: 1\n" in status
    reason = "quantity must be a decimal number, not 'many'"
    assert f"    1 x {reason}; first: quantities/bad.csv record 1\n" in status
    assert "Failing checks: 1, of which 1 block; nothing is published, approved or" in status
    assert "  blocking: check relationships_stg_accounts__credits" in status

    credits.write_text(good)
    (here / "landing" / "quantities" / "bad.csv").unlink()
    settled = command("run")
    assert settled.returncode == 0, settled.stderr
    page = (here / "home" / "reports" / "quality.html").read_text()
    assert "Every check passes and every record was read." in page
    assert "1 more record was in files that have been replaced or taken away since." in page
    approved = command("approve", "--period", "2026-08", "--by", "Ann")
    assert approved.returncode == 0, approved.stderr


def test_a_reader_holds_the_marts_through_a_whole_run(here: Path, command: Command) -> None:
    """Nobody reading waits for a run, blocks it, or sees half of it."""
    reader = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, duckdb; con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "q = 'select sum(quantity) from marts.marts.fct_usage_daily'\n"
            "for _ in sys.stdin: print(con.execute(q).fetchone()[0], flush=True)",
            str(here / "home" / "marts.duckdb"),
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
        first = reader.stdout.readline()
        (here / "landing" / "quantities" / "more.csv").write_text(
            "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
            "q9,acct_two,api_requests,1,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
        )
        answer = command("run")
        assert answer.returncode == 0, answer.stderr
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == first
        now = _rows(here, "select sum(quantity) from marts.fct_usage_daily")[0][0]
        assert now == Decimal(first) + 1
    finally:
        reader.stdin.close()
        reader.stdout.close()
        reader.wait(timeout=60)


def test_push_to_the_local_server_once(here: Path, command: Command) -> None:
    """Approved totals arrive; a second push sends nothing; the marts show it."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster_project.cli", "stripe-server"),
            *("--port", "0", "--now", NOW),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=_environment(),
    )
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip().removeprefix("listening on ")
        assert address.startswith("http://127.0.0.1:")
        stripe = {"STRIPE_API_BASE": address, "STRIPE_SECRET_KEY": "sk_test_local"}
        approved = command("approve", "--period", "2026-08", "--by", "Ann")
        assert approved.returncode == 0, approved.stderr
        pushed = command("push", "--create-meters", "--json", **stripe)
        assert pushed.returncode == 0, pushed.stderr
        first = json.loads(pushed.stdout)
        assert (first["mode"], first["sent"], first["complete"]) == ("sent", 3, True)
        again = command("push", "--period", "2026-08", "--json", **stripe)
        assert again.returncode == 0, again.stderr
        second = json.loads(again.stdout)
        assert (second["sent"], second["already_delivered"]) == (0, 3)
        statuses = _rows(
            here, "select distinct status from marts.fct_statements where period = '2026-08'"
        )
        assert statuses == [("pushed",)]
        states = _rows(here, "select state, count(*) from ops.pushes group by state")
        assert states == [("accepted", 3)]
    finally:
        server.terminate()
        server.stdout.close()
        assert server.wait(timeout=30) == 0


def test_two_runs_at_once_take_turns(here: Path, command: Command) -> None:
    """One writer: the second waits for the first, and both are right."""
    (here / "landing" / "quantities" / "more.csv").write_text(
        "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
        "q9,acct_two,api_requests,1,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
    )
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: command("run", "--json"), range(2)))
    assert [answer.returncode for answer in answers] == [0, 0], [a.stderr for a in answers]
    found = [json.loads(answer.stdout) for answer in answers]
    assert _digests(found[0]) == _digests(found[1])
    waiting = {row["account_id"]: row["total_minor"] for row in found[0]["approvals_waiting"]}
    assert waiting == {"acct_one": 186, "acct_two": 550}


def test_a_killed_run_is_cleaned_up_by_the_next(here: Path, command: Command) -> None:
    """Killed in mid-build: the next run neither waits for it nor trusts what it left."""
    (here / "landing" / "quantities" / "more.csv").write_text(
        "record_id,account_ref,meter_id,quantity,started_at,ended_at\n"
        "q9,acct_two,api_requests,1,2026-08-31T10:00:00Z,2026-08-31T11:00:00Z\n"
    )
    killed = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "dagster_project.cli", "run"),
            *("--landing", here / "landing", "--home", here / "home"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        env=_environment(),
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
    answer = command("run", "--json")
    assert answer.returncode == 0, answer.stderr
    rebuilt = command("run", "--full-refresh", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert _digests(json.loads(answer.stdout)) == _digests(json.loads(rebuilt.stdout))
