"""The Dagster instance of a home: its event log, and runs whose process is gone."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._utils.concurrency import ConcurrencyClaimStatus

from dagster_project.lib.instance import execute_job, open_instance, warehouse_holder
from dagster_project.lib.owner_tags import PID_TAG, STARTED_TAG, process_tags
from dagster_project.lib.paths import DAGSTER_YAML, HomeLayout
from dagster_project.lib.pools import WAREHOUSE_POOL

pytestmark = pytest.mark.integration


@dg.asset(pool=WAREHOUSE_POOL, check_specs=[dg.AssetCheckSpec("fine", asset="thing")])
def thing() -> dg.MaterializeResult:
    """One."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def broken() -> None:
    """One that fails."""
    raise ValueError("no such thing")


DEFINITIONS = dg.Definitions(
    assets=[thing, broken],
    jobs=[
        dg.define_asset_job("good", selection=[thing]),
        dg.define_asset_job("bad", selection=[broken]),
    ],
    executor=dg.in_process_executor,
)


def _start_run(instance: DagsterInstance, tags: dict[str, str]) -> str:
    job = DEFINITIONS.resolve_job_def("good")
    run = instance.create_run_for_job(job, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="good"), run.run_id
    )
    instance.event_log_storage.initialize_concurrency_limit_to_default(WAREHOUSE_POOL)
    instance.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, run.run_id, "thing")
    return run.run_id


def _dead_process() -> str:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    return str(ended.pid)


def test_the_run_of_a_dead_process_is_failed_and_its_place_freed(home: Path) -> None:
    layout = HomeLayout(home)
    with open_instance(layout) as instance:
        run_id = _start_run(instance, {PID_TAG: _dead_process(), STARTED_TAG: "1.00"})
        assert warehouse_holder(instance) == run_id
    with open_instance(layout) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == DagsterRunStatus.FAILURE
        assert warehouse_holder(instance) is None


def test_the_run_of_a_living_process_is_left_alone(home: Path) -> None:
    layout = HomeLayout(home)
    with open_instance(layout) as instance:
        run_id = _start_run(instance, process_tags())
    with open_instance(layout) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == DagsterRunStatus.STARTED
        assert warehouse_holder(instance) == run_id


def test_a_process_number_used_again_is_not_the_same_process(home: Path) -> None:
    layout = HomeLayout(home)
    with open_instance(layout) as instance:
        run_id = _start_run(instance, process_tags() | {STARTED_TAG: "1.00"})
    with open_instance(layout) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == DagsterRunStatus.FAILURE


def test_a_job_runs_and_its_history_is_kept(home: Path) -> None:
    layout = HomeLayout(home)
    with open_instance(layout) as instance:
        assert execute_job(instance, DEFINITIONS.resolve_job_def("good")) is None
        failure = execute_job(instance, DEFINITIONS.resolve_job_def("bad"))
        assert failure is not None
        assert "no such thing" in failure
    with open_instance(layout) as instance:
        runs = {run.job_name: run for run in instance.get_runs()}
        assert runs["good"].status == DagsterRunStatus.SUCCESS
        assert runs["bad"].status == DagsterRunStatus.FAILURE
        logs = instance.all_logs(runs["good"].run_id)
        kinds = [entry.dagster_event.event_type_value for entry in logs if entry.dagster_event]
        for kind in ("ASSET_MATERIALIZATION_PLANNED", "ASSET_CHECK_EVALUATION_PLANNED"):
            assert kinds.count(kind) == 1
        assert "ASSET_MATERIALIZATION" in kinds
        assert instance.get_latest_materialization_event(dg.AssetKey("thing")) is not None


def test_a_run_rests_while_it_waits_for_the_warehouse(home: Path) -> None:
    """Each question but the last takes half a second in which nothing else is asked or done."""
    asked: list[tuple[bool, float]] = []
    with open_instance(HomeLayout(home)) as instance:
        holder = _start_run(instance, process_tags())
        storage = instance.event_log_storage
        claim = storage.claim_concurrency_slot
        free = threading.Timer(1.2, storage.free_concurrency_slots_for_run, [holder])

        def timed(*args: Any) -> ConcurrencyClaimStatus:
            if not asked:
                free.start()
            began = time.monotonic()
            status = claim(*args)
            asked.append((status.is_claimed, time.monotonic() - began))
            assert status.is_claimed or status.sleep_interval == 0
            return status

        storage.claim_concurrency_slot = timed  # type: ignore[method-assign]
        assert execute_job(instance, DEFINITIONS.resolve_job_def("good")) is None
        free.join()
    *waiting, (is_claimed, _) = asked
    assert is_claimed
    assert waiting
    assert all(not claimed and seconds >= 0.5 for claimed, seconds in waiting)


def test_the_repository_settings_are_copied(home: Path) -> None:
    layout = HomeLayout(home)
    with open_instance(layout) as instance:
        assert not instance.telemetry_enabled
    copied = layout.dagster_home / "dagster.yaml"
    assert copied.read_bytes() == DAGSTER_YAML.read_bytes()
