"""How the models' statements are made: never stale, whole or not at all.

A tiny dbt project with the product's own materializations, built again and again in one process.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from recorded_dbt import RecordedDbt
from world import World, capture, e2b

from dagster_project.lib.dbt_build import DbtOutcome, run_dbt
from dagster_project.lib.paths import DBT_PROJECT, HomeLayout

pytestmark = pytest.mark.integration

UNCHANGED = "unchanged"

PROJECT = {
    "dbt_project.yml": """
name: tiny
version: "1.0.0"
profile: tiny
macro-paths: [macros, materializations]
flags: {send_anonymous_usage_stats: false}
models: {tiny: {+on_schema_change: fail}}
""",
    "profiles.yml": """
tiny:
  target: warehouse
  outputs:
    warehouse:
      type: duckdb
      path: "{{ env_var('METERHOUSE_WAREHOUSE') }}"
      schema: main
      threads: 1
""",
    "macros/known.sql": """
{% macro known() -%}
    {%- if execute -%}
        {{ ask_once('known', "select 'day', day::varchar from told").day }}
    {%- endif -%}
{%- endmacro %}
""",
    "models/numbers.sql": "{{ config(materialized='table') }} select number, day from told",
    "models/shown.sql": (
        "{{ config(materialized='view') }} select * from {{ ref('numbers') }} where number > 0"
    ),
    "models/dated.sql": (
        "{{ config(materialized='view') }}"
        " select *, {{ known() }} as known from {{ ref('numbers') }}"
    ),
    "models/added.sql": (
        "{{ config(materialized='incremental', incremental_strategy='append',"
        ' pre_hook="{% if is_incremental() %}delete from {{ this }} where number = 2{% endif %}"'
        ") }} select number, day, {{ known() }} as known from {{ ref('numbers') }}"
    ),
    "models/promised.sql": (
        "{{ config(materialized='table', contract={'enforced': true}) }}"
        " select day, number from {{ ref('numbers') }}"
    ),
    "models/models.yml": """
models:
  - name: promised
    columns: [{name: number, data_type: integer}, {name: day, data_type: integer}]
""",
}


class Tiny:
    """The project and its warehouse, in which `told` is the only table that is not a model."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "dbt"
        self.layout = HomeLayout(folder / "home")
        self.layout.home.mkdir()
        self.path = self.layout.home / "warehouse.duckdb"
        for name, content in PROJECT.items():
            self.write(name, content)
        shutil.copytree(DBT_PROJECT / "materializations", self.project / "materializations")
        shutil.copy(DBT_PROJECT / "macros" / "this_build.sql", self.project / "macros")
        self.tell("select 1::integer as number, 1::integer as day")

    def write(self, name: str, content: str) -> None:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def tell(self, query: str) -> None:
        with duckdb.connect(str(self.path)) as con:
            con.execute(f"create or replace table told as {query}")

    def build(self, *, full_refresh: bool = False) -> dict[str, str]:
        """The status and message of each model; a model that fails fails the test."""
        outcome = self.try_build(full_refresh=full_refresh)
        assert not outcome.stopping, outcome.stopping[0].message
        return {node.name: node.message for node in outcome.nodes}

    def try_build(self, *, full_refresh: bool = False) -> DbtOutcome:
        return run_dbt(
            self.layout, warehouse=self.path, project=self.project, full_refresh=full_refresh
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as con:
            return con.execute(query).fetchall()


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)


def test_a_view_is_left_alone_only_while_its_text_is_the_same(tiny: Tiny) -> None:
    """Two builds of one process: what the first one read once, the second one reads again."""
    tiny.build(full_refresh=True)
    tiny.tell("select 2::integer as number, 1::integer as day")
    messages = tiny.build()
    assert (messages["shown"], messages["dated"]) == (UNCHANGED, UNCHANGED)
    assert tiny.rows("from shown") == [(2, 1)]

    tiny.tell("select 3::integer as number, 2::integer as day")
    messages = tiny.build()
    assert (messages["shown"], messages["dated"] == UNCHANGED) == (UNCHANGED, False)
    assert tiny.rows("from dated") == [(3, 2, 2)]

    tiny.write("models/shown.sql", "{{ config(materialized='view') }} select 9 as number")
    tiny.build()
    assert tiny.rows("from shown") == [(9,)]


def test_a_full_refresh_leaves_no_view_alone(tiny: Tiny) -> None:
    """Not even one that says of itself that it was made from the same text."""
    tiny.build(full_refresh=True)
    ((digest,),) = tiny.rows("select comment from duckdb_views() where view_name = 'shown'")
    assert digest
    with duckdb.connect(str(tiny.path)) as con:
        con.execute("create or replace view shown as select 7 as number")
        con.execute(f"comment on view shown is '{digest}'")
    assert UNCHANGED not in tiny.build(full_refresh=True).values()
    assert tiny.rows("from shown") == [(1, 1)]


def test_a_view_that_was_not_made_by_us_is_replaced(tiny: Tiny) -> None:
    tiny.build(full_refresh=True)
    with duckdb.connect(str(tiny.path)) as con:
        con.execute("create or replace view shown as select 7 as number")
    tiny.build()
    assert tiny.rows("from shown") == [(1, 1)]


def test_a_view_that_is_left_alone_follows_its_table(tiny: Tiny) -> None:
    """A type that changes below it comes with a full build (run_plan); if not, it is not hidden."""
    tiny.build(full_refresh=True)
    tiny.write("models/promised.sql", "select 1 as day")
    tiny.write("models/models.yml", "models: []")
    tiny.write("models/added.sql", "select 1 as number")
    tiny.tell("select 5::bigint as number, 1::integer as day, 'new' as more")
    tiny.write("models/numbers.sql", "{{ config(materialized='table') }} select * from told")
    assert tiny.build()["shown"] == UNCHANGED
    assert tiny.rows("from shown") == [(5, 1, "new")]


def test_a_model_may_become_another_kind_of_relation(tiny: Tiny) -> None:
    tiny.build(full_refresh=True)
    for kind, stored in (("table", "BASE TABLE"), ("view", "VIEW")):
        tiny.write(
            "models/shown.sql", f"{{{{ config(materialized='{kind}') }}}} select 4 as number"
        )
        tiny.build()
        assert tiny.rows("from shown") == [(4,)]
        found = tiny.rows(
            "select table_type from information_schema.tables where table_name = 'shown'"
        )
        assert found == [(stored,)]


def test_an_increment_takes_out_and_adds(tiny: Tiny) -> None:
    tiny.tell("select unnest([1, 2])::integer as number, 1::integer as day")
    tiny.build(full_refresh=True)
    tiny.tell("select 3::integer as number, 2::integer as day")
    tiny.build()
    assert tiny.rows("from added order by number") == [(1, 1, 1), (3, 2, 2)]
    tiny.build(full_refresh=True)
    assert tiny.rows("from added") == [(3, 2, 2)]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("number, day", '"known" in REPLACE list not found'),
        ("number, day, 1 as known, 1 as more", 'does not have a column with name "more"'),
        ("number, day, 1 as knew", '"known" in REPLACE list not found'),
    ],
)
def test_other_columns_than_the_table_has_are_refused_and_nothing_is_taken_out(
    tiny: Tiny, columns: str, said: str
) -> None:
    tiny.tell("select unnest([1, 2])::integer as number, 1::integer as day")
    tiny.build(full_refresh=True)
    changed = PROJECT["models/added.sql"].replace("number, day, {{ known() }} as known", columns)
    assert changed != PROJECT["models/added.sql"]
    tiny.write("models/added.sql", changed)
    (failed,) = tiny.try_build().stopping
    assert failed.name == "added"
    assert said in failed.message
    assert tiny.rows("select number from added order by number") == [(1,), (2,)]


def test_columns_are_added_by_name(tiny: Tiny) -> None:
    tiny.build(full_refresh=True)
    turned = PROJECT["models/added.sql"].replace("number, day,", "7 as day, 6 as number,")
    tiny.write("models/added.sql", turned)
    tiny.build()
    assert tiny.rows("select number, day, known from added order by number") == [
        (1, 1, 1),
        (6, 7, 1),
    ]


def test_a_contract_orders_the_columns_and_is_kept(tiny: Tiny) -> None:
    tiny.build(full_refresh=True)
    assert tiny.rows("select column_name, data_type from duckdb_columns() "
                     "where table_name = 'promised' order by column_index") == [
        ("number", "INTEGER"),
        ("day", "INTEGER"),
    ]  # fmt: skip
    tiny.write(
        "models/promised.sql",
        PROJECT["models/promised.sql"].replace("day, number", "day, number::bigint as number"),
    )
    (failed,) = tiny.try_build().stopping
    assert failed.name == "promised"
    assert "contract" in failed.message
    assert tiny.rows("from promised") == [(1, 1)]


@pytest.mark.parametrize(
    "config",
    ["incremental_strategy='merge'", "incremental_strategy='append', on_schema_change='ignore'"],
)
def test_another_way_to_add_is_refused(tiny: Tiny, config: str) -> None:
    tiny.write(
        "models/added.sql",
        f"{{{{ config(materialized='incremental', {config}) }}}} select 1 as number",
    )
    (failed,) = tiny.try_build().stopping
    assert failed.name == "added"
    assert "only incremental_strategy append and on_schema_change fail" in failed.message


def test_a_constraint_is_refused_rather_than_left_out(tiny: Tiny) -> None:
    tiny.write(
        "models/models.yml",
        PROJECT["models/models.yml"].replace(
            "{name: number, data_type: integer}",
            "{name: number, data_type: integer, constraints: [{type: not_null}]}",
        ),
    )
    (failed,) = tiny.try_build().stopping
    assert "constraints are not made" in failed.message


def test_an_incremental_model_adds_the_types_that_its_table_has(
    new_world: Callable[[], World], recorded_dbt: RecordedDbt
) -> None:
    """An insert would cast another type without a word: so none of ours may give one."""
    world = new_world()
    world.account("one")
    for day in (1, 2):
        at = f"2026-08-0{day}T10:00:00Z"
        killed = e2b("killed", at, f"box-{day}", customer="one", ran_ms=60_000)
        world.write(f"e2b/{day}.ndjson", [capture(killed, at)])
        world.build("2026-08-15T00:00:00Z")
    inserts = [sql for sql in recorded_dbt.statements("incremental") if "insert into" in sql]
    differing = []
    with duckdb.connect(str(world.home / "warehouse.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        for sql in inserts:
            table = sql.split("insert into")[1].split("by name")[0].strip()
            query = sql.partition("from (")[2].rpartition(") as incoming")[0]
            added = con.execute(f"describe {query}").fetchall()
            kept = con.execute(f"describe {table}").fetchall()
            if {row[:2] for row in added} != {row[:2] for row in kept}:
                differing.append(table)
    assert differing == []
    assert len(inserts) > 20
