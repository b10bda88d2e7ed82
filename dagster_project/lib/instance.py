"""The Dagster instance of a home, and running one of our jobs on it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster import DagsterInstance, JobDefinition

from dagster_project.lib.owner_tags import process_tags, reap_dead_runs
from dagster_project.lib.paths import DAGSTER_YAML, HomeLayout
from dagster_project.lib.pools import WAREHOUSE_POOL
from dagster_project.lib.progress import current

_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


@contextmanager
def open_instance(layout: HomeLayout) -> Iterator[DagsterInstance]:
    """The persistent instance of a home; what dead processes left on it is cleaned up first."""
    layout.dagster_home.mkdir(parents=True, exist_ok=True)
    settings = layout.dagster_home / "dagster.yaml"
    if not settings.exists() or settings.read_bytes() != DAGSTER_YAML.read_bytes():
        shutil.copyfile(DAGSTER_YAML, settings)
    os.environ["DAGSTER_HOME"] = str(layout.dagster_home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    with DagsterInstance.get() as instance:
        reap_dead_runs(instance)
        yield instance


def warehouse_holder(instance: DagsterInstance) -> str | None:
    """The run that has the warehouse now, or None. A run that starts meanwhile waits for it."""
    storage = instance.event_log_storage
    if WAREHOUSE_POOL not in storage.get_concurrency_keys():
        return None
    claimed = storage.get_concurrency_info(WAREHOUSE_POOL).claimed_slots
    return claimed[0].run_id if claimed else None


def run_tags(partitions: tuple[str, str] | None) -> dict[str, str]:
    """Tags of a run of this process over partitions from the first to the last, both included."""
    tags = process_tags()
    if partitions is not None:
        tags |= {_RANGE_START: partitions[0], _RANGE_END: partitions[1]}
    return tags


def execute_job(
    instance: DagsterInstance,
    job: JobDefinition,
    *,
    ops: Mapping[str, Mapping[str, Any]] | None = None,
    partitions: tuple[str, str] | None = None,
) -> str | None:
    """Run a job in this process; returns None, or what failed first in Dagster's words.

    ops: configuration by op name. partitions: the first and the last partition key.
    """
    config: dict[str, Any] = {
        # The command line says what happens; Dagster's own lines go to the event log only.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "ops": {name: {"config": dict(values)} for name, values in (ops or {}).items()},
    }
    holder = warehouse_holder(instance)
    if holder is not None:
        current().stage_detail("wait", f"for run {holder}, which has the warehouse")
    result = job.execute_in_process(
        run_config=config,
        instance=instance,
        tags=run_tags(partitions),
        raise_on_error=False,
    )
    if result.success:
        return None
    for event in result.all_events:
        data = event.event_specific_data
        error = getattr(data, "error", None)
        if event.is_failure and error is not None:
            while error.cause is not None:
                error = error.cause
            return " ".join(str(error.message).split())
    return "the run failed without saying why; look at it in the Dagster UI"
