"""What a run is doing now, and how long each stage took.

A run's steps all happen in one process, so the command line installs one `Progress` and every step
reports to it. Without a command line (the Dagster UI) the default one only keeps the times.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Keeps the seconds of each stage and tells `show` what goes on.

    `failure` is why the run stopped, `answer` what a command's job found, JSON-ready.
    `show(stage, detail)` is called when a stage starts (detail empty) and whenever there is
    something to say about it.
    """

    show: Callable[[str, str], None] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    current_stage: str = ""
    failure: BaseException | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block under `name`; a name met twice adds up."""
        outer, self.current_stage = self.current_stage, name
        began = time.perf_counter()
        self.detail("")
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self.current_stage = outer

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Keep the first exception that leaves the block: Dagster reports it only as text."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def fail(self, error: BaseException) -> None:
        """Say why the run stops; the first reason counts, later ones follow from it."""
        self.failure = self.failure or error

    def detail(self, text: str) -> None:
        """Say something about the stage under way."""
        self.stage_detail(self.current_stage, text)

    def stage_detail(self, stage: str, text: str) -> None:
        """Say something about a stage that is not timed."""
        if self.show is not None:
            self.show(stage, text)


_installed: list[Progress] = [Progress()]


def current() -> Progress:
    """The progress of the run in this process."""
    return _installed[-1]


@contextmanager
def installed(progress: Progress) -> Iterator[Progress]:
    """Make `progress` the current one inside the block."""
    _installed.append(progress)
    try:
        yield progress
    finally:
        _installed.remove(progress)
