"""The command line's promises that need no build: exit codes, one line, one object."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project import cli as module
from dagster_project.lib.paths import HomeLayout
from ingest.errors import CheckFailed, PushIncomplete
from ingest.settings import Settings

pytestmark = pytest.mark.unit

Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> Invoke:
    """Run a command in this process; returns exit code, standard output, standard error."""
    monkeypatch.setenv("METERHOUSE_HOME", str(home))

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meterhouse", *args])
        code = module._exit_code()
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nonsense"], "No such command 'nonsense'; see `meterhouse --help`"),
        (["run", "--nonsense"], "No such option"),
        (["run", "--as-of", "yesterday"], "'yesterday' is not an ISO-8601 time"),
        (["run", "--as-of", "2026-08-01T00:00:00"], "has no zone"),
        (["approve", "--period", "2026-08"], "Missing option '--by'"),
        (["approve", "--period", "August", "--by", "Ann"], "'August' is not a month"),
        (["approve", "--period", "2026-13", "--by", "Ann"], "'2026-13' is not a month"),
        (["approve", "--period", "2026-08", "--by", " "], "--by is empty"),
        (["approve", "--period", "2026-08", "--by", "Ann"], "no published marts"),
        (["push"], "no published marts"),
        (["push", "--period", "08-2026"], "is not a month"),
        (["reconcile", "--period", "8"], "is not a month"),
        (["whatif", "--period", "2026-08"], "Missing option '--pricebook'"),
        (["whatif", "--pricebook", "b", "--period", "8"], "is not a month"),
        (["whatif", "--pricebook", "b", "--period", "2026-08"], "no published marts"),
        (["export", "charges", "--from", "x", "--to", "y", "--out", "o"], "'x' is not a date"),
        (
            ["export", "usage", "--from", "2026-08-02", "--to", "2026-08-02", "--out", "o"],
            "not before",
        ),
        (["export", "nothing", "--from", "x", "--to", "y", "--out", "o"], "'nothing' is not one"),
        (["stripe-server", "--port", "99999"], "99999"),
        (["storage", "list"], "Missing option '--bucket'; see `meterhouse storage list --help`"),
        (["storage", "list", "--bucket", "../b"], "'../b' is not the name of a bucket"),
        (
            ["storage", "list", "--bucket", "b1", "--prefix", "mounts/p1/m1/"],
            "prefix 'mounts/p1/m1/' is only a part of 'mounts/p1/': list all of it",
        ),
    ],
)
def test_bad_usage_is_one_line_and_two(invoke: Invoke, args: list[str], message: str) -> None:
    code, out, err = invoke(*args)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("meterhouse: ")


def test_a_bad_clock_is_bad_configuration(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERHOUSE_NOW", "noon")
    code, _, err = invoke("status")
    assert code == 2
    assert err.startswith("meterhouse: METERHOUSE_NOW")


def test_json_of_a_failure_is_one_object(invoke: Invoke) -> None:
    code, out, err = invoke("push", "--json")
    assert code == 2
    assert json.loads(out)["exit_code"] == 2
    assert out.count("\n") == 1
    assert err.count("\n") == 1


def test_status_of_an_empty_home(invoke: Invoke, home: Path) -> None:
    code, out, err = invoke("status")
    assert (code, err) == (0, "")
    assert "Nothing is loaded yet" in out
    code, out, _ = invoke("status", "--json")
    assert json.loads(out)["home"] == str(home)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CheckFailed("a check\nfailed"), 1), (PushIncomplete("half"), 1)],
)
def test_errors_keep_their_exit_code_and_become_one_line(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, "_execute", fail)
    code, out, err = invoke("run")
    assert (code, out) == (expected, "")
    assert err == f"meterhouse: {' '.join(str(error).split())}\n"


def test_the_unexpected_is_one_line_and_a_log(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(module, "_execute", fail)
    code, _, err = invoke("run")
    assert code == 1
    assert err.count("\n") == 1
    (log,) = HomeLayout(home).logs.iterdir()
    assert str(log) in err
    assert "Traceback" in log.read_text()
    assert "so it goes" in log.read_text()


def test_a_push_that_fails_still_shows_what_it_did(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(settings: Settings, *_: object, **__: object) -> None:
        from dagster_project.lib.progress import current

        current().answer |= {"answers": [{"sent": 1}], "lines": ["push: 1 sent"]}
        raise PushIncomplete("push is incomplete: one is left; push again")

    monkeypatch.setattr(module, "_execute", half)
    monkeypatch.setattr(module, "_published", lambda settings: None)
    code, out, err = invoke("push", "--period", "2026-08")
    assert (code, out) == (1, "push: 1 sent\n")
    assert err == "meterhouse: push is incomplete: one is left; push again\n"
    code, out, _ = invoke("push", "--period", "2026-08", "--json")
    assert json.loads(out)["sent"] == 1


def test_every_command_says_its_help(invoke: Invoke) -> None:
    code, out, err = invoke("--help")
    assert (code, err) == (0, "")
    for name in module.cli.commands:
        assert name in out
        assert invoke(name, "--help")[0] == 0
