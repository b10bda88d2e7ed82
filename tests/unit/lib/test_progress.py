"""Progress and the first reason of a failure."""

import pytest

from dagster_project.lib.progress import Progress, current, installed

pytestmark = pytest.mark.unit


def test_stages_are_timed_and_shown() -> None:
    shown: list[tuple[str, str]] = []
    progress = Progress(show=lambda stage, detail: shown.append((stage, detail)))
    with installed(progress):
        with current().stage("load"):
            current().detail("a file")
        with current().stage("load"):
            pass
    assert shown == [("load", ""), ("load", "a file"), ("load", "")]
    assert list(progress.seconds) == ["load"]
    assert current() is not progress


def test_the_first_failure_counts() -> None:
    progress = Progress()
    with pytest.raises(ValueError, match="first"), progress.noting_failure():
        raise ValueError("first")
    progress.fail(ValueError("second"))
    assert str(progress.failure) == "first"
