"""What a run decides to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.lib import run_plan
from dagster_project.lib.run_plan import Inputs, Plan, decide
from ingest.settings import Settings
from ingest.warehouse import connect

pytestmark = pytest.mark.unit

AS_OF = datetime(2026, 9, 2, 12, tzinfo=UTC)
SEEN = Inputs(
    as_of=AS_OF,
    load_seq=7,
    loads="l",
    usage_references="u",
    rating_references="r",
    pricebook="p",
    ledger="g",
    code="c",
    compared="s",
    columns="k",
)


def _decide(
    inputs: Inputs = SEEN,
    previous: Inputs | None = SEEN,
    *,
    broken_off: bool = False,
    full_refresh: bool = False,
    marts_present: bool = True,
) -> Plan:
    return decide(
        "run",
        inputs,
        previous,
        broken_off=broken_off,
        full_refresh=full_refresh,
        marts_present=marts_present,
    )


def test_the_same_again_is_nothing_new() -> None:
    plan = _decide()
    assert plan.nothing_new
    assert (plan.rebuild_usage, plan.rebuild_rating, plan.pricebook_changed) == (False,) * 3


def test_the_first_build_is_a_rebuild() -> None:
    plan = _decide(previous=None)
    assert (plan.rebuild_usage, plan.rebuild_rating, plan.pricebook_changed) == (True,) * 3
    assert (plan.previous_as_of, plan.previous_load_seq) == (None, 0)


def test_new_loads_alone_are_added() -> None:
    plan = _decide(replace(SEEN, load_seq=9, loads="l2"))
    assert not plan.nothing_new
    assert (plan.rebuild_usage, plan.rebuild_rating) == (False, False)
    assert (plan.previous_as_of, plan.previous_load_seq) == (AS_OF, 7)


def test_a_later_clock_alone_rebuilds_nothing() -> None:
    """The models themselves find what the clock passed between the two instants."""
    plan = _decide(replace(SEEN, as_of=AS_OF + timedelta(seconds=1)))
    assert not plan.nothing_new
    assert (plan.rebuild_usage, plan.rebuild_rating) == (False, False)
    assert plan.previous_as_of == AS_OF


@pytest.mark.parametrize(
    ("changes", "usage", "rating", "pricebook"),
    [
        ({"code": "c2"}, True, True, False),
        ({"columns": "k2"}, True, True, False),
        ({"usage_references": "u2"}, True, True, False),
        ({"as_of": AS_OF - timedelta(seconds=1)}, True, True, False),
        ({"rating_references": "r2"}, False, True, False),
        ({"rating_references": "r2", "pricebook": "p2"}, False, True, True),
        ({"ledger": "g2"}, False, True, False),
    ],
)
def test_what_changed_decides_what_is_built_again(
    changes: dict[str, object], usage: bool, rating: bool, pricebook: bool
) -> None:
    plan = _decide(replace(SEEN, **changes))  # type: ignore[arg-type]
    assert (plan.rebuild_usage, plan.rebuild_rating) == (usage, rating)
    assert plan.pricebook_changed == pricebook
    assert not plan.nothing_new
    assert plan.reason


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"load_seq": 9, "loads": "l2"}, False),
        ({"as_of": AS_OF + timedelta(seconds=1)}, False),
        ({"compared": "s2"}, True),
        ({"ledger": "g2"}, True),
        ({"rating_references": "r2"}, True),
        ({"usage_references": "u2"}, True),
        ({"code": "c2"}, True),
    ],
)
def test_what_is_compared_decides_whether_everybody_is_reconciled_again(
    changes: dict[str, object], again: bool
) -> None:
    plan = _decide(replace(SEEN, **changes))  # type: ignore[arg-type]
    assert plan.rebuild_reconciliation is again


def test_lost_marts_and_a_full_refresh_are_never_nothing_new() -> None:
    assert not _decide(marts_present=False).nothing_new
    plan = _decide(full_refresh=True)
    assert (plan.nothing_new, plan.rebuild_usage) == (False, True)


def test_a_broken_build_is_never_taken_for_done() -> None:
    """Its tables hold parts of it: an increment on them would miss what they hold already."""
    plan = _decide(broken_off=True)
    assert (plan.nothing_new, plan.rebuild_usage, plan.rebuild_rating) == (False, True, True)


def test_inputs_survive_storage() -> None:
    assert Inputs.from_json(SEEN.to_json()) == SEEN


def test_what_an_older_version_did_not_keep_counts_as_changed() -> None:
    older = Inputs.from_json('{"as_of": "2026-09-02T12:00:00+00:00", "load_seq": 7, "gone": 1}')
    assert _decide(previous=older).rebuild_usage


@pytest.fixture
def con(settings: Settings) -> duckdb.DuckDBPyConnection:
    con = connect(settings)
    run_plan.create_tables(con)
    return con


def test_a_build_is_remembered_and_its_attempt_forgotten(con: duckdb.DuckDBPyConnection) -> None:
    assert run_plan.last_build(con) is None
    plan = _decide(previous=None)
    run_plan.write_plan(con, plan)
    assert not run_plan.was_broken_off(con)
    assert run_plan.read_plan(con, "run") == plan
    assert run_plan.is_latest(con, plan)
    run_plan.begin_build(con, plan)
    assert run_plan.was_broken_off(con)
    context = con.execute("select run_id, as_of, rebuild_usage from ops.run_context").fetchall()
    assert context == [("run", AS_OF, True)]

    run_plan.record_build(con, plan, AS_OF)
    assert not run_plan.was_broken_off(con)
    assert run_plan.last_build(con) == SEEN
    assert not run_plan.last_build_is_published(con)
    run_plan.record_publication(con)
    assert run_plan.last_build_is_published(con)
    con.close()


def test_the_clock_uncovers_what_is_compared(con: duckdb.DuckDBPyConnection) -> None:
    """An export known from noon on, and an answer given an hour later: two changes, no more."""
    con.execute(
        "insert into raw.stripe_objects (load_seq, record_number, known_at, raw, object, object_id)"
        " values (1, 1, ?, '{}', 'customers', 'cus_1'), (1, 2, null, '{}', 'customers', 'cus_2')",
        [AS_OF],
    )
    con.execute(
        'insert into raw.ledger_answers (answer_id, intent_id, state, "at") values (1, ?, ?, ?)',
        ["i", "accepted", (AS_OF + timedelta(hours=1)).isoformat()],
    )

    def compared(hours: int) -> str:
        as_of = AS_OF + timedelta(hours=hours)
        return run_plan.read_inputs(con, as_of=as_of, code="c").compared

    found = [compared(hours) for hours in (-2, -1, 0, 1, 2)]
    assert found[0] == found[1] != found[2] != found[3] == found[4]
    assert found[1] != found[3]
    con.execute(
        """
        insert into ops.loads values
            (2, 'stripe/customers', 'f', 'sha', 1, 1, 0, true, current_timestamp, 'json')
        """
    )
    added = compared(2)
    con.execute("update ops.loads set is_current = false")
    assert len({found[4], added, compared(2)}) == 3
    con.close()


def test_each_run_keeps_its_own_plan(con: duckdb.DuckDBPyConnection) -> None:
    """Two runs take turns: the second's plan must not become the first's clock."""
    first = _decide(previous=None)
    run_plan.write_plan(con, first)
    second = replace(first, run_id="other", inputs=replace(SEEN, as_of=AS_OF + timedelta(days=1)))
    run_plan.write_plan(con, second)
    assert run_plan.read_plan(con, "run") == first
    assert not run_plan.is_latest(con, first)
    assert run_plan.read_plan(con) == second
    con.close()


def test_inputs_follow_content_not_names(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A renamed reference file changes nothing that is built from it; another content does."""

    def load(file: str, content: str, *, current: bool = True) -> None:
        con.execute(
            "insert into ops.loads select coalesce(max(load_seq), 0) + 1, 'accounts', ?, ?, 1, 1, "
            "0, ?, now(), 'csv' from ops.loads",
            [file, content, current],
        )

    load("accounts.csv", "aa")
    first = run_plan.read_inputs(con, as_of=AS_OF, code="c")
    con.execute("update ops.loads set file = 'renamed.csv'")
    renamed = run_plan.read_inputs(con, as_of=AS_OF, code="c")
    assert renamed.usage_references == first.usage_references
    con.execute("update ops.loads set is_current = false")
    load("accounts.csv", "bb")
    changed = run_plan.read_inputs(con, as_of=AS_OF, code="c")
    assert changed.usage_references != first.usage_references
    assert changed.load_seq == 2
    con.close()


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("alter table raw.e2b_events add column moon VARCHAR", True),
        ("alter table raw.e2b_events alter column vcpu type DOUBLE", True),
        ("alter table ops.loads add column moon VARCHAR", True),
        # Nothing that a model reads: what checks remember is made on the first build.
        ("create table ops.moons (moon VARCHAR)", False),
        ("create schema marts; create table marts.moons (moon VARCHAR)", False),
    ],
)
def test_inputs_follow_the_columns_that_the_models_read(
    con: duckdb.DuckDBPyConnection, change: str, differs: bool
) -> None:
    """Else an incremental build would leave views alone that mean something else now."""
    first = run_plan.read_inputs(con, as_of=AS_OF, code="c")
    assert first.columns == run_plan.read_inputs(con, as_of=AS_OF, code="c").columns
    con.execute(change)
    second = run_plan.read_inputs(con, as_of=AS_OF, code="c")
    assert (second.columns != first.columns) == differs
    assert _decide(second, first).rebuild_usage == differs
    con.close()
