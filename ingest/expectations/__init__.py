"""Great Expectations on the raw tables: is what was loaded fit to make a bill from?

A suite is a list of `Rule`s on one raw table; its module is named after the source, and `register`
lists them all. Blocking rules are those whose failure would make a bill wrong.

The suites run in a process of their own: Great Expectations takes seconds to import, and keeps its
connection to the warehouse for as long as its process lives, which would lock everyone else out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ingest.errors import MeterhouseError
from ingest.settings import Settings

SAMPLE_ROWS = 20
TIMEOUT_SECONDS = 3600


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite: its name, whether it blocks, and how it is made.

    `build` is given the module `great_expectations.expectations`, so that a suite can be declared
    without importing it.
    """

    name: str
    blocking: bool
    detail: str
    build: Callable[[Any], Any]


def present(name: str, column: str, detail: str, *, blocking: bool = True) -> Rule:
    """The rule that a column says something."""
    return Rule(
        name, blocking, detail, lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=column)
    )


def no_rows(name: str, blocking: bool, detail: str, query: str) -> Rule:
    """The rule that a query on `{batch}` for load_seq and record_number finds nothing."""
    return Rule(
        name,
        blocking,
        detail,
        lambda gxe: gxe.UnexpectedRowsExpectation(unexpected_rows_query=query),
    )


@dataclass(frozen=True)
class Suite:
    """The rules of one raw table, and the source of the loads that fill it.

    `source` also stands for the sources below it. `record_id` is SQL of the id by which a
    correction voids a record of the table: the rules do not see those. Null: it cannot.
    """

    asset: str
    source: str
    rules: tuple[Rule, ...]
    record_id: str = "null"

    @property
    def table(self) -> str:
        """The table with its schema."""
        return f"raw.{self.asset}"


@dataclass(frozen=True)
class ExpectationOutcome:
    """What one expectation found: `sample` holds (file, record_number) of some failing rows."""

    name: str
    table: str
    passed: bool
    blocking: bool
    failing_rows: int
    detail: str
    sample: list[tuple[str, int]] = field(default_factory=list)


def validate(
    settings: Settings, load_seqs: Sequence[int], suites: Sequence[Suite]
) -> list[ExpectationOutcome]:
    """Run registered suites on the rows of some loads, read-only; no loads, no outcomes.

    The warehouse must not be open for writing meanwhile, in this process or another. Raises
    MeterhouseError when a suite cannot run.
    """
    if not load_seqs:
        return []
    request = {
        "warehouse": str(settings.warehouse_path.resolve()),
        "load_seqs": [int(load_seq) for load_seq in load_seqs],
        "suites": [suite.asset for suite in suites],
        "now": settings.now.isoformat(),
    }
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    answer = subprocess.run(
        [sys.executable, "-m", "ingest.expectations.worker"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=os.environ | {"PYTHONPATH": path, "GX_ANALYTICS_ENABLED": "false"},
        check=False,
    )
    if answer.returncode != 0:
        reason = _last_error(answer.stderr)
        raise MeterhouseError(f"checks of the raw tables could not run: {reason}")
    outcomes = json.loads(answer.stdout.strip().splitlines()[-1])
    for outcome in outcomes:
        outcome["sample"] = [(file, number) for file, number in outcome["sample"]]
    return [ExpectationOutcome(**outcome) for outcome in outcomes]


def _last_error(stderr: str) -> str:
    """The line of a traceback that says what went wrong (what follows it is noise at exit)."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    for before, line in pairwise(lines):
        if before.startswith("    ") and not line.startswith(" "):
            last = line
            break
    else:
        last = lines[-1] if lines else "no reason given"
    return last
