"""dbt's own statements, run again without dbt.

A build of a small world is a hundred short statements, but dbt needs many seconds of Python to say
them. What it says depends on three things only: whether the warehouse is new, built anew or built
on, and the literal of the as-of. So the first build of each kind in a test session is dbt's own,
data tests included; its statements are kept, and later builds of that kind execute them again with
their own as-of, but for the data tests of a full refresh. `test_as_of.py` holds that both ways give
the same marts.

A folder keeps the statements for other processes too: those that share a test session.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from dagster_project.lib import dbt_build
from dagster_project.lib.dbt_build import DbtOutcome, NodeResult
from dagster_project.lib.paths import DBT_PROJECT, HomeLayout
from dagster_project.lib.tables import table_exists

# A null shows elsewhere too; leaving these tests out of the repeated builds halves their time.
LEFT_OUT = ("test_name:not_null", "test_name:never_missing")


@dataclass(frozen=True)
class _Statement:
    node: str
    sql: str


@dataclass(frozen=True)
class _Script:
    """One kind of build: its statements, and the result of each node as dbt gave it."""

    statements: tuple[_Statement, ...]
    nodes: tuple[NodeResult, ...]
    as_of: str


class RecordedDbt:
    """Takes the place of `run_dbt` in the pipeline."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` keeps what is recorded for every process that names it; None: nobody else."""
        self._folder = folder
        self._scripts: dict[str, _Script] = {}

    def statements(self, kind: str) -> list[str]:
        """The statements of one kind of build that was recorded: fresh, full or incremental."""
        return [statement.sql for statement in self._scripts[kind].statements]

    def run(
        self,
        layout: HomeLayout,
        *,
        warehouse: Path,
        full_refresh: bool = False,
        select: Sequence[str] = (),
        threads: int | None = None,
        on_node: Callable[[str, int, int], None] | None = None,
        project: Path = DBT_PROJECT,
    ) -> DbtOutcome:
        """Build like `run_dbt`: by dbt when this kind of build is new, else by its statements."""
        with duckdb.connect(str(warehouse)) as con:
            kind = "full" if full_refresh else "incremental"
            if not table_exists(con, "intermediate", "int_compute_intervals"):
                kind = "fresh"
            as_of = _as_of(con)
        with self._one_at_a_time(kind):
            script = self._known(kind)
            if script is None:
                outcome, script = self._record(layout, warehouse, as_of, full_refresh=full_refresh)
                if outcome.error is None and not outcome.stopping:
                    self._keep(kind, script)
                return outcome
        return _play(script, warehouse, as_of, is_made_again=kind == "full")

    def _one_at_a_time(self, kind: str) -> FileLock | nullcontext[None]:
        if self._folder is None or kind in self._scripts:
            return nullcontext()
        self._folder.mkdir(exist_ok=True)
        return FileLock(self._folder / f"{kind}.lock")

    def _known(self, kind: str) -> _Script | None:
        kept = self._folder / f"{kind}.pickle" if self._folder else None
        if kind not in self._scripts and kept is not None and kept.exists():
            self._scripts[kind] = pickle.loads(kept.read_bytes())
        return self._scripts.get(kind)

    def _keep(self, kind: str, script: _Script) -> None:
        self._scripts[kind] = script
        if self._folder is not None:
            (self._folder / f"{kind}.pickle").write_bytes(pickle.dumps(script))

    def _record(
        self, layout: HomeLayout, warehouse: Path, as_of: str, *, full_refresh: bool
    ) -> tuple[DbtOutcome, _Script]:
        statements: list[_Statement] = []
        listen = dbt_build._Listener.__call__

        def overhear(listener: Any, event: Any) -> None:
            if event.info.name == "SQLQuery":
                statements.append(_Statement(event.data.node_info.unique_id, event.data.sql))
            listen(listener, event)

        _forget_digests_of_views(warehouse)
        arguments = dbt_build.build_dbt_args
        left_out = [word for name in LEFT_OUT for word in ("--exclude", name)]
        dbt_build._Listener.__call__ = overhear
        dbt_build.build_dbt_args = lambda *a, **k: [*arguments(*a, **k), *left_out]
        try:
            outcome = dbt_build.run_dbt(layout, warehouse=warehouse, full_refresh=full_refresh)
        finally:
            dbt_build._Listener.__call__ = listen
            dbt_build.build_dbt_args = arguments
        kept = tuple(each for each in statements if is_change(each.sql) or is_question(each.sql))
        return outcome, _Script(kept, outcome.nodes, as_of)


def _forget_digests_of_views(warehouse: Path) -> None:
    """Have dbt say every view: one that it may leave alone here is another one elsewhere."""
    with duckdb.connect(str(warehouse)) as con:
        views = con.execute(
            "select schema_name, view_name from duckdb_views() where not internal"
        ).fetchall()
        for schema, name in views:
            con.execute(f'comment on view "{schema}"."{name}" is null')


def _play(script: _Script, warehouse: Path, as_of: str, *, is_made_again: bool) -> DbtOutcome:
    then, now = f"timestamptz '{script.as_of}'", f"timestamptz '{as_of}'"
    results = {node.unique_id: node for node in script.nodes}
    with duckdb.connect(str(warehouse)) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set threads = 1")
        con.execute("create schema if not exists staging")
        con.execute("create schema if not exists intermediate")
        con.execute("create schema if not exists marts")
        standing = set() if is_made_again else _views(con)
        # One for all, not one a node as dbt has it: hundreds of commits are a tenth of the time.
        con.begin()
        for statement in script.statements:
            # A full refresh is made to be compared with another build, whose marts are tested.
            if is_made_again and is_question(statement.sql):
                continue
            # As dbt does: a view that stands as it would be made is left alone. The digest of one
            # that names the as-of is that of the recorded text, so it says nothing.
            if then not in statement.sql and _view_made_by(statement.sql) in standing:
                continue
            sql = statement.sql.replace(then, now)
            try:
                found = con.execute(sql)
            except duckdb.Error as error:
                raise AssertionError(f"{statement.node}: {error}\n{sql}") from error
            if is_question(sql):
                results[statement.node] = _tested(results[statement.node], found.fetchone())
        con.commit()
    return DbtOutcome(tuple(results.values()))


# What the materialization of views says last: schema, name, and the digest of the text.
_VIEW = re.compile(r"""comment on view "\w+"."(\w+)"."(\w+)" is '(\w+)'""")


def _view_made_by(sql: str) -> tuple[str, ...] | None:
    found = _VIEW.search(sql)
    return found.groups() if found else None


def _views(con: duckdb.DuckDBPyConnection) -> set[tuple[str, ...]]:
    rows = con.execute(
        "select schema_name, view_name, comment from duckdb_views() where not internal"
    )
    return set(rows.fetchall())


def _tested(node: NodeResult, answer: tuple[Any, ...] | None) -> NodeResult:
    failures, warns, fails = answer if answer is not None else (0, False, False)
    if fails and node.severity == "error":
        status = "fail"
    else:
        status = "warn" if warns else "pass"
    return replace(node, status=status, failures=failures, message=f"{failures} rows")


def is_change(sql: str) -> bool:
    """Whether a statement makes or fills a relation; transactions are left out."""
    word = _without_comments(sql).partition(" ")[0].lower()
    return word in {"create", "insert", "delete", "alter", "drop", "comment"}


def is_question(sql: str) -> bool:
    """Whether a statement is a data test's: it answers failures, should_warn, should_error."""
    return " as should_error" in sql


def _without_comments(sql: str) -> str:
    text = sql.strip()
    while text.startswith("/*"):
        text = text.partition("*/")[2].strip()
    return text


def _as_of(con: duckdb.DuckDBPyConnection) -> str:
    con.execute("set TimeZone = 'UTC'")
    row = con.execute("select as_of::varchar from ops.run_context").fetchone()
    assert row is not None
    return str(row[0])
