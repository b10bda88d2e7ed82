"""Rating all usage again under another price book, in a scratch file beside the warehouse.

What was measured is copied from the warehouse, the other price book is loaded, and dbt builds only
the models between the two and the rated lines. No raw usage record is read, and the warehouse is
only read.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib import pipeline, run_plan
from dagster_project.lib.dbt_build import DbtOutcome, run_dbt
from dagster_project.lib.dbt_project import code_digest, read_manifest
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.tables import table_exists
from ingest.errors import CheckFailed, UsageError
from ingest.settings import Settings
from ingest.sources.pricebook import PriceBook, insert_pricebook, load_pricebook
from ingest.warehouse import connect
from reports.marts import MEMORY_LIMIT, THREADS, sql_text

_RATED = "int_lines_rated"
# Say what an incremental build makes again; here everything is.
_TOUCHED = "int_touched_"
# Which files of the price book count: made for the other price book, not copied.
_LOADS = "stg_landing__loads"
# What meters of the price book read from raw records: copied, and fitted to the other meters.
_MEASURED = frozenset({"int_event_values", "int_event_amounts", "int_quantities"})

_RUN_FIRST = "run `meterhouse run`, then ask again"


@dataclass(frozen=True)
class RatingModels:
    """What rating consists of. built: the models that it builds again, by name.

    copied: the relations that these read, `schema.name`, which no price book changes or which are
    fitted to it.
    """

    built: tuple[str, ...]
    copied: tuple[str, ...]


def rating_models(manifest: Mapping[str, Any]) -> RatingModels:
    """The models on the way from the price book to the rated lines, and what they read beside it.

    Raises KeyError when the manifest has no rated lines.
    """
    nodes: Mapping[str, Any] = manifest["nodes"]
    by_name = {node["name"]: key for key, node in nodes.items() if key.startswith("model.")}
    priced = _below_the_pricebook(manifest)
    built: set[str] = set()
    copied: set[str] = set()
    waiting = [by_name[_RATED]]
    while waiting:
        key = waiting.pop()
        if key in built:
            continue
        built.add(key)
        for parent in manifest["parent_map"][key]:
            node = nodes.get(parent)
            if node is None or node["name"] == _LOADS or node["name"].startswith(_TOUCHED):
                continue
            is_rated = parent in priced and node["name"] not in _MEASURED
            if is_rated or node["config"]["materialized"] == "ephemeral":
                waiting.append(parent)
            else:
                copied.add(f"{node['schema']}.{node['name']}")
    return RatingModels(tuple(sorted(nodes[key]["name"] for key in built)), tuple(sorted(copied)))


def read_pricebook(folder: Path) -> PriceBook:
    """The price book in the YAML files below a folder, validated as one of the landing zone is.

    Raises UsageError when there is none, or with every error of the book.
    """
    if not folder.is_dir():
        raise UsageError(f"price book {folder} is not a folder; name one that holds YAML files")
    files = sorted(
        path
        for path in folder.rglob("*.y*ml")
        if path.suffix in {".yaml", ".yml"}
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise UsageError(f"price book {folder} holds no .yaml file; name a folder that does")
    return load_pricebook(files, folder.absolute().parent)


@contextmanager
def rerated(settings: Settings, book: PriceBook) -> Iterator[duckdb.DuckDBPyConnection]:
    """Rate everything under `book`, and give a session with both ratings attached, read-only.

    The last build is attached as `warehouse`, the other rating as `scratch`, in the same schemas.
    The scratch file is removed at the end whatever happens. Raises UsageError when no build is
    there or the last one does not answer for what is loaded, and when the other meters measure what
    was not measured.
    """
    _refuse_when_behind(settings)
    home = settings.home / "whatif"
    shutil.rmtree(home, ignore_errors=True)
    try:
        scratch = replace(settings, home=home)
        rate(settings, scratch, book)
        with _session() as con:
            con.execute(f"attach {sql_text(settings.warehouse_path)} as warehouse (read_only)")
            con.execute(f"attach {sql_text(scratch.warehouse_path)} as scratch (read_only)")
            yield con
    finally:
        shutil.rmtree(home, ignore_errors=True)


def rate(settings: Settings, scratch: Settings, book: PriceBook) -> DbtOutcome:
    """Rate what the warehouse of `settings` measured, under `book`, into that of `scratch`."""
    models = rating_models(read_manifest())
    _load(scratch, book)
    with _session() as con:
        con.execute(f"attach {sql_text(settings.warehouse_path)} as warehouse (read_only)")
        con.execute(f"attach {sql_text(scratch.warehouse_path)} as scratch")
        _copy(con, models.copied)
    outcome = run_dbt(
        HomeLayout(scratch.home),
        warehouse=scratch.warehouse_path,
        full_refresh=True,
        select=models.built,
        models_only=True,
    )
    if outcome.error is not None or outcome.stopping:
        broken = outcome.stopping[0] if outcome.stopping else None
        reason = f"{broken.name}: {broken.message}" if broken else outcome.error
        raise CheckFailed(f"rating under the other price book did not work: {reason}")
    return outcome


def _below_the_pricebook(manifest: Mapping[str, Any]) -> set[str]:
    """Every model that can come out differently under another price book."""
    found: set[str] = set()
    waiting = [
        key for key, source in manifest["sources"].items() if source["source_name"] == "pricebook"
    ]
    while waiting:
        for child in manifest["child_map"][waiting.pop()]:
            node = manifest["nodes"].get(child)
            is_model = node is not None and node["resource_type"] == "model"
            if is_model and child not in found and not node["name"].startswith(_TOUCHED):
                found.add(child)
                waiting.append(child)
    return found


def _refuse_when_behind(settings: Settings) -> None:
    """The rating in the warehouse must be that of what is loaded and known there."""
    with pipeline.warehouse(settings, read_only=True) as con:
        last = run_plan.last_build(con) if table_exists(con, "ops", "builds") else None
        if last is None:
            raise UsageError(f"nothing is built in {settings.warehouse_path}; {_RUN_FIRST}")
        context = con.execute("select as_of from ops.run_context").fetchone()
        found = run_plan.read_inputs(con, as_of=last.as_of, code=code_digest())
        if found != last or context != (last.as_of,) or run_plan.was_broken_off(con):
            raise UsageError(
                f"the last build in {settings.warehouse_path} does not answer for what is loaded; "
                f"{_RUN_FIRST}"
            )


@contextmanager
def _session() -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        con.execute(f"set threads = {THREADS}")
        con.execute("set preserve_insertion_order = false")
        yield con
    finally:
        con.close()


def _load(scratch: Settings, book: PriceBook) -> None:
    """A scratch warehouse that holds the price book and nothing else."""
    files = sorted({row.file for _, rows in book.tables() for row in rows})
    numbers = {file: number for number, file in enumerate(files, 1)}
    con = connect(scratch)
    try:
        insert_pricebook(con, numbers, book)
        con.execute("create schema staging")
        con.execute(
            f"create table staging.{_LOADS} as "
            "select unnest(range(1, ?)) as load_seq, true as is_current",
            [len(files) + 1],
        )
    finally:
        con.close()


def _copy(con: duckdb.DuckDBPyConnection, relations: tuple[str, ...]) -> None:
    for relation in relations:
        schema, name = relation.split(".")
        con.execute(f"create schema if not exists scratch.{schema}")
        if name not in _MEASURED:
            con.execute(f"create table scratch.{relation} as select * from warehouse.{relation}")
    # What is published later brings no meter and no dimension yet (DECISIONS D55).
    con.execute(
        """
        create temp table known_charges as
        select charges.*
        from scratch.raw.pricebook_charges as charges
        semi join (
            select plan_id, plan_version from scratch.raw.pricebook_versions
            where published_at <= (select as_of from warehouse.ops.run_context)
        ) as versions using (plan_id, plan_version)
        """
    )
    _fit_event_values(con)
    _fit_event_amounts(con)
    _fit_quantities(con)


def _fit_event_values(con: duckdb.DuckDBPyConnection) -> None:
    """What each event meter of the other price book reads, from what the meters there read."""
    con.execute(
        """
        create temp table wanted_meters as
        select meters.meter_id, meters.event_type, meters.aggregation, meters.value_path,
               list_distinct(flatten(list(json_keys(coalesce(charges.where_dimensions, '{}')))))
                   as dimension_names
        from scratch.raw.pricebook_meters as meters
        inner join known_charges as charges using (meter_id)
        where meters.source = 'events'
        group by all
        """
    )
    # Of the same type of event a count needs no value; any other needs the same value, as a number
    # or as a text; and what a charge's `where` names must have been kept.
    con.execute(
        """
        create temp table fitting_meters as
        select wanted.meter_id, wanted.aggregation, held.meter_id as held_meter_id
        from wanted_meters as wanted
        inner join warehouse.intermediate.int_event_meters as held
            on held.event_type = wanted.event_type
        inner join warehouse.staging.stg_pricebook__meters as described
            on held.meter_id = described.meter_id
        where list_has_all(held.dimension_names, wanted.dimension_names)
            and (
                wanted.aggregation = 'count'
                or (
                    wanted.value_path = described.value_path and held.aggregation <> 'count'
                    and (held.aggregation = 'unique_count') = (wanted.aggregation = 'unique_count')
                )
            )
        qualify row_number() over (
            partition by wanted.meter_id
            order by held.meter_id = wanted.meter_id desc, held.meter_id
        ) = 1
        """
    )
    _refuse_unmeasured(
        con,
        """
        select meter_id, 'events of type ' || event_type as what
        from wanted_meters anti join fitting_meters using (meter_id)
        order by meter_id
        """,
    )
    con.execute(
        """
        create table scratch.intermediate.int_event_values as
        select readings.* replace (
            fitting.meter_id as meter_id,
            fitting.aggregation as aggregation,
            fitting.aggregation in ('sum', 'count') as is_additive,
            case when fitting.aggregation = 'count' then 1 else readings.value end as value,
            case when fitting.aggregation <> 'count' then readings.issue end as issue
        )
        from warehouse.intermediate.int_event_values as readings
        inner join fitting_meters as fitting on readings.meter_id = fitting.held_meter_id
        """
    )


def _fit_event_amounts(con: duckdb.DuckDBPyConnection) -> None:
    """The amounts that events tell themselves, where dynamic prices of both books look for them."""
    _refuse_unmeasured(
        con,
        """
        with
        wanted as (
            select distinct meter_id, event_type,
                   json_extract_string(properties, '$.amount') as amount
            from known_charges
            inner join scratch.raw.pricebook_meters as meters using (meter_id)
            where model = 'dynamic'
        ),
        held as (
            select event_type, json_extract_string(properties, '$.amount') as amount
            from warehouse.staging.stg_pricebook__charges
            inner join warehouse.staging.stg_pricebook__meters using (meter_id)
            where model = 'dynamic'
        )
        select meter_id, 'amounts at ' || amount || ' of events of type ' || event_type as what
        from wanted anti join held using (event_type, amount)
        order by meter_id, amount
        """,
    )
    con.execute(
        """
        create table scratch.intermediate.int_event_amounts as
        select * from warehouse.intermediate.int_event_amounts
        """
    )


def _fit_quantities(con: duckdb.DuckDBPyConnection) -> None:
    """A provider's total of a measure goes to every meter of that measure, whatever its name."""
    con.execute(
        """
        create temp table held_measures as
        select measure, min(meter_id) as meter_id
        from warehouse.staging.stg_pricebook__meters where source = 'compute' group by measure
        """
    )
    _refuse_unmeasured(
        con,
        """
        select wanted.meter_id, 'provider''s totals of ' || wanted.measure as what
        from scratch.raw.pricebook_meters as wanted
        semi join known_charges as charges using (meter_id)
        semi join warehouse.intermediate.int_provider_totals_placed as totals
            on wanted.measure = totals.measure and totals.standing = 'counted'
        anti join held_measures using (measure)
        where wanted.source = 'compute'
        order by wanted.meter_id
        """,
    )
    con.execute(
        """
        create table scratch.intermediate.int_quantities as
        select * from warehouse.intermediate.int_quantities where provider is null
        union all
        select totals.* replace (wanted.meter_id as meter_id)
        from warehouse.intermediate.int_quantities as totals
        inner join held_measures as held using (meter_id)
        inner join scratch.raw.pricebook_meters as wanted
            on wanted.source = 'compute' and held.measure = wanted.measure
        where totals.provider is not null
        """
    )


def _refuse_unmeasured(con: duckdb.DuckDBPyConnection, query: str) -> None:
    row = con.execute(query).fetchone()
    if row is not None:
        meter, what = row
        raise UsageError(
            f"meter {meter} of the other price book measures {what} in a way that no meter in the "
            f"landing zone does (its value, or what a `where` names): add such a meter and a "
            f"charge to the price book there, {_RUN_FIRST}"
        )
