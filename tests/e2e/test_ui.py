"""The Dagster UI in a real browser: the button on the job page is the command `meterhouse run`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, sync_playwright

from dagster_project.lib.paths import DAGSTER_YAML, REPOSITORY
from tests.conftest import Cli
from tests.small_landing import NOW, plant_contradiction, write_small_landing

pytestmark = pytest.mark.e2e

JOB_PAGE = "/locations/dagster_project.definitions/jobs/run"
BROWSER_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 180
RUN_SECONDS = 300


@dataclass
class Ui:
    """A running UI on a home of its own."""

    address: str
    home: Path
    landing: Path
    asked_hosts: set[str] = field(default_factory=set)

    def query(self, text: str, **variables: Any) -> Any:
        """Ask the server's GraphQL."""
        request = urllib.request.Request(
            f"{self.address}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def run_ids(self) -> list[str]:
        """Runs of the job, newest first."""
        found = self.query("{ runsOrError { ... on Runs { results { runId } } } }")
        return [run["runId"] for run in found["runsOrError"]["results"]]

    def wait_for_end(self, run_id: str) -> str:
        """Wait until a run is over; returns its status."""
        text = "query Q($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            status: str = self.query(text, id=run_id)["runOrError"]["status"]
            if status in {"SUCCESS", "FAILURE", "CANCELED"}:
                return status
            time.sleep(1)
        raise TimeoutError(f"run {run_id} did not end in {RUN_SECONDS} s")


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Chromium on PATH: `make browser` installs it or says how")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """`dagster dev` as `make ui` starts it, on a free port of this machine."""
    folder = tmp_path_factory.mktemp("ui")
    home, landing = folder / "home", write_small_landing(folder / "landing")
    (home / "dagster").mkdir(parents=True)
    shutil.copyfile(DAGSTER_YAML, home / "dagster" / "dagster.yaml")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = ("METERHOUSE_", "STRIPE_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    log = (folder / "dagster.log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)),
            *("-m", "dagster_project.definitions"),
        ],
        cwd=REPOSITORY,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=environment
        | {
            "METERHOUSE_HOME": str(home),
            "METERHOUSE_LANDING": str(landing),
            "METERHOUSE_NOW": NOW,
            "DAGSTER_HOME": str(home / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
        },
    )
    found = Ui(f"http://127.0.0.1:{port}", home, landing)
    try:
        _wait_until_up(found, server, folder / "dagster.log")
        yield found
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(timeout=30)
        log.close()


def _wait_until_up(ui: Ui, server: "subprocess.Popen[bytes]", log: Path) -> None:
    loaded = """
        { workspaceOrError { ... on Workspace { locationEntries {
            loadStatus locationOrLoadError { __typename ... on PythonError { message } }
        } } } }
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"dagster dev ended: {log.read_text()[-2000:]}")
        try:
            entries = ui.query(loaded)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            entries = []
        if [entry["loadStatus"] for entry in entries] == ["LOADED"]:
            found = entries[0]["locationOrLoadError"]
            assert found["__typename"] == "RepositoryLocation", found["message"]
            return
        time.sleep(1)
    pytest.fail(f"the UI did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def page(ui: Ui, chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGS)
        opened = browser.new_page(viewport={"width": 1400, "height": 900})

        def note(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"data", "blob"}:
                ui.asked_hosts.add(parts.hostname or "")

        opened.on("request", note)
        yield opened
        browser.close()


def _materialize_all(ui: Ui, page: Page) -> str:
    before = set(ui.run_ids())
    page.goto(f"{ui.address}{JOB_PAGE}")
    page.get_by_role("button", name="Materialize all").first.click(timeout=60_000)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        new = set(ui.run_ids()) - before
        if new:
            return new.pop()
        time.sleep(0.5)
    raise TimeoutError("the button started no run")


def test_the_button_runs_everything(ui: Ui, page: Page, manifest: Path) -> None:
    """Every asset of the job is materialised, the page says so, no request leaves the machine."""
    run_id = _materialize_all(ui, page)
    assert ui.wait_for_end(run_id) == "SUCCESS"
    page.goto(f"{ui.address}/runs/{run_id}")
    page.get_by_text("Success", exact=True).first.wait_for(timeout=60_000)

    found = ui.query(
        """
        query Q($id: ID!) {
          runOrError(runId: $id) {
            ... on Run {
              assetMaterializations { assetKey { path } }
            }
          }
          assetNodes(pipeline: {
            pipelineName: "run",
            repositoryName: "__repository__",
            repositoryLocationName: "dagster_project.definitions"
          }) { assetKey { path } }
        }
        """,
        id=run_id,
    )
    wanted = {"/".join(node["assetKey"]["path"]) for node in found["assetNodes"]}
    made = {
        "/".join(item["assetKey"]["path"]) for item in found["runOrError"]["assetMaterializations"]
    }
    assert len(wanted) > 50
    assert wanted - made == set()
    assert (ui.home / "marts.duckdb").exists()
    assert (ui.home / "reports" / "run_summary.json").exists()
    assert ui.asked_hosts == {"127.0.0.1"}


def test_the_command_line_sees_what_the_button_did(ui: Ui, run_cli: Cli) -> None:
    """One history: the run of the UI is there for the command line, and the other way round."""
    where = ("--home", ui.home, "--landing", ui.landing)
    answer = run_cli("run", "--json", *where)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["run"]["nothing_new"]
    assert json.loads(answer.stdout)["run"]["run_id"] in ui.run_ids()


def test_a_failing_check_is_shown_and_push_refuses(ui: Ui, page: Page, run_cli: Cli) -> None:
    published = (ui.home / "marts.duckdb").stat().st_ino
    plant_contradiction(ui.landing)
    run_id = _materialize_all(ui, page)
    assert ui.wait_for_end(run_id) == "FAILURE"
    page.goto(f"{ui.address}/runs/{run_id}")
    page.get_by_text("Failure", exact=True).first.wait_for(timeout=60_000)
    check = "e2b_event_id_means_one_event"
    page.goto(f"{ui.address}/assets/raw/e2b_events?view=checks&checkDetail={check}")
    for shown in (check, "Failed"):
        page.get_by_text(shown, exact=True).filter(visible=True).first.wait_for(timeout=60_000)
    assert (ui.home / "marts.duckdb").stat().st_ino == published

    refused = run_cli("push", "--home", ui.home, "--landing", ui.landing)
    assert refused.returncode == 1
    assert check in refused.stderr
    assert ui.asked_hosts == {"127.0.0.1"}
