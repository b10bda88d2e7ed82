"""One dbt build, in this process.

Starting the dbt command costs seconds, so dbt is called as a library, once a run. Its connections
stay open after the call unless they are closed by hand, and an open connection locks every other
process out of the warehouse: `invoke_dbt` always closes them.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib.paths import DBT_PROJECT, HomeLayout

WAREHOUSE_VARIABLE = "METERHOUSE_WAREHOUSE"


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, seed or test.

    status: dbt's word: success, error, skipped; for tests pass, warn, fail, error, skipped.
    failures: failing rows of a test, None for other nodes.
    tested_model: the model or source that a test is about, "" when several or none.
    seconds: wall time of the node; database_seconds: the part spent inside DuckDB.
    failing_sql: the query of the failing rows of a test that fails; tested_column: its column, if
    it is about one.
    """

    unique_id: str
    name: str
    resource_type: str
    status: str
    seconds: float
    database_seconds: float
    message: str
    failures: int | None
    severity: str
    tested_model: str
    failing_sql: str = ""
    tested_column: str = ""

    @property
    def is_test(self) -> bool:
        return self.resource_type == "test"

    @property
    def succeeded(self) -> bool:
        return self.status in {"success", "pass"}

    @property
    def stops_the_build(self) -> bool:
        """True for an errored node and a failed test of severity error; a skip follows from one."""
        return self.status in {"error", "fail", "runtime error"}


@dataclass(frozen=True)
class DbtOutcome:
    """The result of one call of dbt.

    error: one line when dbt could not do its work at all (nodes may then be incomplete).
    """

    nodes: tuple[NodeResult, ...] = ()
    error: str | None = None

    @property
    def database_seconds(self) -> float:
        return sum(node.database_seconds for node in self.nodes)

    @property
    def stopping(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.stops_the_build)


@dataclass
class _Listener:
    """Collects dbt's events while it works."""

    on_node: Callable[[str, int, int], None] | None
    database_seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: Any) -> None:
        name = event.info.name
        if name == "SQLQueryStatus":
            node = event.data.node_info.unique_id
            known = self.database_seconds.get(node, 0.0)
            self.database_seconds[node] = known + float(event.data.elapsed)
        elif self.on_node and name in {"LogModelResult", "LogTestResult", "LogSeedResult"}:
            # Tests and models name the number of nodes differently.
            total = getattr(event.data, "total", 0) or getattr(event.data, "num_models", 0)
            self.on_node(event.data.node_info.node_name, event.data.index, int(total))


def build_dbt_args(
    layout: HomeLayout,
    *,
    full_refresh: bool = False,
    select: Sequence[str] = (),
    models_only: bool = False,
    threads: int | None = None,
    project: Path = DBT_PROJECT,
) -> list[str]:
    """The arguments of the one `dbt build` of a run; unit tests are left to the test suite."""
    args = ["build", *_common_args(project, layout.dbt_target, layout.dbt_logs)]
    # A manifest and results as JSON cost seconds, and nobody reads those of a home.
    args.append("--no-write-json")
    if models_only:
        args += ["--resource-type", "model"]
    else:
        args += ["--exclude-resource-type", "unit_test"]
    if full_refresh:
        args.append("--full-refresh")
    for selector in select:
        args += ["--select", selector]
    if threads is not None:
        args += ["--threads", str(threads)]
    return args


def parse_args(project: Path, target: Path) -> list[str]:
    """The arguments of a `dbt parse` of the project into `target`."""
    return ["parse", *_common_args(project, target, target / "logs")]


def run_dbt(
    layout: HomeLayout,
    *,
    warehouse: Path,
    full_refresh: bool = False,
    select: Sequence[str] = (),
    models_only: bool = False,
    threads: int | None = None,
    on_node: Callable[[str, int, int], None] | None = None,
    project: Path = DBT_PROJECT,
) -> DbtOutcome:
    """Build the models and run the tests on `warehouse`, reusing the repository's parse.

    select: only these nodes (none: all). models_only: no tests. on_node(name, index, total) is
    called as each node ends. Failing tests and models are in the outcome, not raised.
    """
    from dagster_project.lib.dbt_project import copy_partial_parse, prepare_manifest

    prepare_manifest(project)
    copy_partial_parse(layout.dbt_target, project)
    args = build_dbt_args(
        layout,
        full_refresh=full_refresh,
        select=select,
        models_only=models_only,
        threads=threads,
        project=project,
    )
    return invoke_dbt(args, warehouse=warehouse, on_node=on_node, manifest=load_manifest(project))


def invoke_dbt(
    args: Sequence[str],
    *,
    warehouse: Path,
    on_node: Callable[[str, int, int], None] | None = None,
    manifest: Any = None,
) -> DbtOutcome:
    """Call dbt with `args` on `warehouse` and close its connections, whatever happens."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    listener = _Listener(on_node)
    _wait_until_free(warehouse)
    with _environment({WAREHOUSE_VARIABLE: str(warehouse), "DO_NOT_TRACK": "1"}):
        try:
            answer = dbtRunner(manifest=manifest, callbacks=[listener]).invoke(list(args))
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
            _close_logs()
    results = getattr(answer.result, "results", None) or ()
    nodes = tuple(_node_result(result, listener.database_seconds) for result in results)
    if answer.exception is not None:
        return DbtOutcome(nodes, _one_line(str(answer.exception)))
    if not answer.success and not any(node.stops_the_build for node in nodes):
        return DbtOutcome(nodes, "dbt ended without success and named no node")
    return DbtOutcome(nodes)


def _wait_until_free(warehouse: Path) -> None:
    """A second process may hold the file for a moment; waiting is better than failing."""
    for seconds in (0.1, 0.5, 1, 2, 4, 8, 16):
        try:
            duckdb.connect(str(warehouse)).close()
        except duckdb.IOException:
            time.sleep(seconds)
        else:
            return


def _close_logs() -> None:
    # dbt leaves its log file open for as long as the process lives.
    from dbt_common.events.event_manager_client import cleanup_event_logger, get_event_manager

    for logger in get_event_manager().loggers:
        python_logger: logging.Logger | None = getattr(logger, "_python_logger", None)
        if python_logger is not None:
            for handler in list(python_logger.handlers):
                handler.close()
                python_logger.removeHandler(handler)
    cleanup_event_logger()


def _common_args(project: Path, target: Path, logs: Path) -> list[str]:
    return [
        *("--project-dir", str(project)),
        *("--profiles-dir", str(project)),
        *("--target-path", str(target)),
        *("--log-path", str(logs)),
        *("--log-level", "none"),
        *("--log-level-file", "info"),
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
    ]


def load_manifest(project: Path) -> Any:
    """The parsed project as dbt takes it; `prepare_manifest` has been called."""
    from dbt.contracts.graph.manifest import Manifest

    from dagster_project.lib.dbt_project import partial_parse_path

    manifest = Manifest.from_msgpack(partial_parse_path(project).read_bytes())
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    return manifest


def _node_result(result: Any, database_seconds: dict[str, float]) -> NodeResult:
    node = result.node
    return NodeResult(
        unique_id=node.unique_id,
        name=node.name,
        resource_type=str(node.resource_type),
        status=str(result.status),
        seconds=float(result.execution_time),
        database_seconds=database_seconds.get(node.unique_id, 0.0),
        message=_one_line(result.message or ""),
        failures=result.failures,
        severity=str(getattr(node.config, "severity", "error")).lower(),
        tested_model=_tested_model(node),
        failing_sql=(getattr(node, "compiled_code", None) or "") if result.failures else "",
        tested_column=getattr(node, "column_name", None) or "",
    )


def _tested_model(node: Any) -> str:
    about = (getattr(node.config, "meta", None) or {}).get("dagster", {}).get("ref", {}).get("name")
    if about:
        return str(about)
    attached = getattr(node, "attached_node", None)
    parents = [attached] if attached else list(dict.fromkeys(node.depends_on_nodes))
    return str(parents[0]).rsplit(".", 1)[-1] if len(parents) == 1 else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
