"""Which process works on a run, and what to do with runs whose process is gone.

A run executes inside one process. When that process is killed nobody reports the end: the run
stays "started" and keeps its place in the warehouse pool, and every later run would wait for ever.
So a run carries its process as tags, and each command first ends the runs of dead processes.
"""

import os
from collections.abc import Mapping

import psutil  # type: ignore[import-untyped]
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

PID_TAG = "meterhouse/pid"
STARTED_TAG = "meterhouse/process_started"

_UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """Tags that name this process; its start time tells it from a later one of the same number."""
    return {PID_TAG: str(os.getpid()), STARTED_TAG: _started(os.getpid())}


def tag_owning_process(instance: DagsterInstance, run: DagsterRun) -> None:
    """Name this process on a run that another one created, as the UI does."""
    if run.tags.get(PID_TAG) != str(os.getpid()):
        instance.add_run_tags(run.run_id, process_tags())


def reap_dead_runs(instance: DagsterInstance) -> list[str]:
    """Fail each unfinished run whose process is gone, free its pool slots; returns their ids."""
    reaped = []
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if PID_TAG in run.tags and not _is_alive(run.tags):
            instance.report_run_failed(
                run, f"The process of this run ({run.tags[PID_TAG]}) ended without reporting."
            )
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            reaped.append(run.run_id)
    return reaped


def _is_alive(tags: Mapping[str, str]) -> bool:
    started = _started(int(tags[PID_TAG]))
    return bool(started) and started == tags.get(STARTED_TAG)


def _started(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return f"{process.create_time():.2f}"
    except psutil.Error:
        return ""
