"""One step of the product in a process of its own, so that its time and memory are its own.

`python -m tests.benchmarks.step load|build|publish RUN_ID [--full-refresh]`; the landing zone, the
home and the clock come from the environment, as for the command line. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from dagster_project.lib import dbt_build, pipeline
from ingest.settings import Settings
from tests.benchmarks.measure import peak_mib


def _load(settings: Settings, run_id: str, *, full_refresh: bool) -> dict[str, Any]:
    _, plan = pipeline.load(settings, run_id=run_id, as_of=None, full_refresh=full_refresh)
    return {"nothing_new": plan.nothing_new, "reason": plan.reason}


def _build(settings: Settings, run_id: str) -> dict[str, Any]:
    cpu = _count_cpu_of_queries()
    built = pipeline.build(settings, run_id=run_id)
    if built.outcome is None:
        return {"nodes": []}
    if built.stopping:
        raise SystemExit(pipeline.stop_message(built.results))
    nodes = [
        {
            "name": node.name,
            "is_test": node.is_test,
            "database_seconds": node.database_seconds,
            "database_cpu_seconds": cpu.get(node.unique_id, 0.0),
            "seconds": node.seconds,
        }
        for node in built.outcome.nodes
    ]
    return {"nodes": nodes}


def _publish(settings: Settings, run_id: str) -> dict[str, Any]:
    published = pipeline.publish_marts(settings, run_id=run_id)
    return {"tables": {name: [each.rows, each.digest] for name, each in published.tables.items()}}


def _count_cpu_of_queries() -> dict[str, float]:
    """CPU seconds of each node's queries, filled while dbt works.

    dbt tells a query's wall time only, and works one node at a time: what this process computed
    between a query's two events is the query's. There is no public place to listen at.
    """
    cpu: dict[str, float] = {}
    begun = [0.0]

    class Listener(dbt_build._Listener):
        def __call__(self, event: Any) -> None:
            if event.info.name == "SQLQuery":
                begun[0] = time.process_time()
            elif event.info.name == "SQLQueryStatus":
                node = event.data.node_info.unique_id
                cpu[node] = cpu.get(node, 0.0) + time.process_time() - begun[0]
            super().__call__(event)

    dbt_build._Listener = Listener  # type: ignore[misc]
    return cpu


def main(step: str, run_id: str, *, full_refresh: bool) -> None:
    settings = Settings.from_environment()
    wall = time.perf_counter()
    cpu = time.process_time()
    if step == "load":
        answer = _load(settings, run_id, full_refresh=full_refresh)
    elif step == "build":
        answer = _build(settings, run_id)
    else:
        answer = _publish(settings, run_id)
    answer |= {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], full_refresh="--full-refresh" in sys.argv[3:])
