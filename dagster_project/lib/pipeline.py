"""The steps of a run as plain functions; the assets call them one by one.

load -> validate -> build -> publish. What one step decides reaches the next through the warehouse,
so a step can also be run alone from the UI. Every step opens the warehouse itself and closes it
before it returns: dbt and publishing need the file to be free.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.lib import check_results, progress, run_plan
from dagster_project.lib.check_results import CheckResult, FailingRow
from dagster_project.lib.dbt_build import DbtOutcome, NodeResult, run_dbt
from dagster_project.lib.dbt_project import code_digest
from dagster_project.lib.failing_rows import read_failing_rows
from dagster_project.lib.ledger_import import import_ledger
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.run_plan import Plan
from ingest.errors import CheckFailed
from ingest.schema import LEDGER_TABLES, PRICEBOOK_TABLES, RECORD_TABLES
from ingest.settings import Settings, current_time
from ingest.warehouse import connect
from reports.publish import Publication, publish, read_publication

# The one check that is not a test: a model that does not build leaves no data to test.
MODELS_BUILD = "models_build"


@dataclass(frozen=True)
class Built:
    """What a build did. `outcome` is None when there was nothing new to build."""

    plan: Plan
    outcome: DbtOutcome | None
    results: tuple[CheckResult, ...]

    @property
    def stopping(self) -> list[CheckResult]:
        return [result for result in self.results if result.stops]


@contextmanager
def warehouse(
    settings: Settings, *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The open warehouse, closed at the end whatever happens."""
    con = connect(settings, read_only=read_only)
    try:
        yield con
    finally:
        con.close()


def load(
    settings: Settings, *, run_id: str, as_of: datetime | None, full_refresh: bool
) -> tuple[Any, Plan]:
    """Load what is new, import the ledger, and plan the build as of `as_of` (None: the clock).

    Returns the summary of the landing zone's load and the plan.
    """
    from ingest.landing import load_landing

    with progress.current().stage("load"), warehouse(settings) as con:
        loaded = load_landing(con, settings, progress.current().detail)
        plan = _plan(con, settings, run_id, as_of or settings.now, full_refresh=full_refresh)
    return loaded, plan


def build(settings: Settings, *, run_id: str) -> Built:
    """Run dbt as planned, store every test's result, and remember the build when none stops it.

    A failing check is in the answer, not raised: the caller reports each before it stops.
    """
    with warehouse(settings) as con:
        plan = _planned(con, settings, run_id)
        if plan.nothing_new:
            return Built(plan, None, ())
        run_plan.begin_build(con, plan)
    with progress.current().stage("build"):
        outcome = run_dbt(
            HomeLayout(settings.home),
            warehouse=settings.warehouse_path,
            full_refresh=plan.rebuild_usage,
            on_node=lambda name, index, total: progress.current().detail(
                f"{index} of {total}: {name}"
            ),
        )
    with warehouse(settings) as con:
        results = tuple(_results(con, outcome))
        check_results.record(con, results, run_id=run_id, checked_at=settings.now)
        if not any(result.stops for result in results):
            _forget_removed_checks(con, outcome)
            run_plan.record_build(con, plan, settings.now)
    return Built(plan, outcome, results)


def publish_marts(settings: Settings, *, run_id: str) -> Publication:
    """Put the marts of the last build where readers find them, unless this run found nothing new.

    Raises CheckFailed when a blocking check fails or the last build broke off.
    """
    layout = HomeLayout(settings.home)
    with warehouse(settings) as con:
        run_plan.create_tables(con)
        check_results.refuse_when_failing(con, "publish the marts")
        if run_plan.was_broken_off(con) or not run_plan.last_build_seq(con):
            raise CheckFailed("cannot publish the marts: the last build did not end; run again")
        shown = run_plan.last_build_shown(con)
        plan = run_plan.read_plan(con, run_id)
        is_published = run_plan.last_build_is_published(con)
    if plan is not None and plan.nothing_new and is_published:
        return read_publication(layout.marts_database, layout.marts_folder)
    with progress.current().stage("publish"):
        published = publish(
            settings.warehouse_path, layout.marts_database, layout.marts_folder, shown
        )
    with warehouse(settings) as con:
        run_plan.record_publication(con)
    return published


def refresh(settings: Settings, *, run_id: str) -> tuple[Built, Publication | None]:
    """Build and publish again from what is loaded and what the ledger now says.

    The clock is never turned back: it is the later of now and the last build's. No publication
    when a blocking check stops the build.
    """
    with progress.current().stage("load"), warehouse(settings) as con:
        run_plan.create_tables(con)
        previous = run_plan.last_build(con)
        # Not the time at which the command began: what it wrote to the ledger since is known now.
        now = current_time()
        as_of = max(now, previous.as_of) if previous else now
        _plan(con, settings, run_id, as_of, full_refresh=False)
    built = build(settings, run_id=run_id)
    return built, None if built.stopping else publish_marts(settings, run_id=run_id)


def raw_row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of each raw asset; an asset of several tables counts them all."""
    counts: dict[str, int] = {}
    for table in (*RECORD_TABLES, *PRICEBOOK_TABLES, *LEDGER_TABLES, "ops.loads"):
        name = table.split(".")[1]
        asset = name.split("_")[0] if name.startswith(("pricebook_", "ledger_")) else name
        row = con.execute(f"select count(*) from {table}").fetchone()
        counts[asset] = counts.get(asset, 0) + (int(row[0]) if row else 0)
    return counts


def stop_message(results: Sequence[CheckResult]) -> str:
    """The one line that says which check stopped a run."""
    return (
        f"{check_results.summary_line(list(results))}; the published marts stay as they were: "
        f"{check_results.REMEDY} and run again"
    )


def _plan(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    run_id: str,
    as_of: datetime,
    *,
    full_refresh: bool,
) -> Plan:
    run_plan.create_tables(con)
    import_ledger(con, settings)
    plan = run_plan.decide(
        run_id,
        run_plan.read_inputs(con, as_of=as_of, code=code_digest()),
        run_plan.last_build(con),
        broken_off=run_plan.was_broken_off(con),
        full_refresh=full_refresh,
        marts_present=_marts_present(settings),
    )
    run_plan.write_plan(con, plan)
    return plan


def _planned(con: duckdb.DuckDBPyConnection, settings: Settings, run_id: str) -> Plan:
    run_plan.create_tables(con)
    own = run_plan.read_plan(con, run_id)
    if own is not None and run_plan.is_latest(con, own):
        return own
    if own is not None:
        # Another run took its turn between our load and our build: look again at what is to do.
        asked = own.reason == run_plan.FULL_REFRESH
        return _plan(con, settings, run_id, own.inputs.as_of, full_refresh=asked)
    # The models were asked for on their own: build them, whether or not anything is new.
    latest = run_plan.read_plan(con)
    as_of = latest.inputs.as_of if latest is not None else settings.now
    plan = replace(_plan(con, settings, run_id, as_of, full_refresh=False), nothing_new=False)
    run_plan.write_plan(con, plan)
    return plan


def _marts_present(settings: Settings) -> bool:
    # Whether they are those of the last build is for `publish_marts`: that needs no build.
    layout = HomeLayout(settings.home)
    return layout.marts_database.exists() and layout.marts_folder.exists()


def _results(con: duckdb.DuckDBPyConnection, outcome: DbtOutcome) -> Iterator[CheckResult]:
    for node in outcome.nodes:
        if node.is_test and node.status != "skipped":
            yield _test_result(con, node)
    broken = [node for node in outcome.nodes if not node.is_test and node.stops_the_build]
    if broken:
        detail = f"{broken[0].message or 'no message'}"
        yield CheckResult(MODELS_BUILD, broken[0].name, False, True, None, detail)
    else:
        yield CheckResult(MODELS_BUILD, "", outcome.error is None, True, None, outcome.error or "")


def _test_result(con: duckdb.DuckDBPyConnection, node: NodeResult) -> CheckResult:
    # A test that could not even be asked (status error) has no count of failing rows.
    passed = node.status == "pass"
    detail = "" if passed or node.status in {"fail", "warn"} else node.message
    rows: tuple[FailingRow, ...] = ()
    if not passed:
        try:
            rows = read_failing_rows(con, node)
        except duckdb.Error as error:
            # The result stands without them: the query may need what only dbt's session had.
            detail = detail or f"its rows could not be read: {' '.join(str(error).split())}"
    return CheckResult(
        check_name=node.name,
        asset=node.tested_model,
        passed=passed,
        blocking=node.stops_the_build or (passed and node.severity == "error"),
        failing_rows=node.failures if node.status in {"fail", "warn", "pass"} else None,
        detail=detail,
        rows=rows,
    )


def _forget_removed_checks(con: duckdb.DuckDBPyConnection, outcome: DbtOutcome) -> None:
    from dagster_project.lib.raw_checks import ASSET_OF_CHECK

    tests = {node.name for node in outcome.nodes if node.is_test}
    check_results.forget_others(con, {MODELS_BUILD, *ASSET_OF_CHECK, *tests})
