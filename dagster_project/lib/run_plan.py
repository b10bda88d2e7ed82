"""What a run has to do: compare what is stored now with what the last successful build saw.

Loading decides nothing. After it, everything a build depends on is reduced to digests (`Inputs`),
compared with those of the last successful build (`ops.builds`), and the answer (`Plan`) is written
to `ops.run_context`, which the dbt models read.
"""

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

import duckdb

from dagster_project.lib.tables import table_digest
from ingest.errors import CheckFailed
from ingest.schema import LEDGER_TABLES
from reports.publish import Build

# Content that decides which account usage belongs to: when it changes, all usage is built again.
_USAGE_REFERENCES = ("accounts", "account_links")
# Content that decides what usage costs: when it changes, everything is rated again.
_RATING_REFERENCES = ("pricebook", "subscriptions", "credits", "exchange_rates")

# Of the tables in `ops`, those that are sources of the models (beside all in `raw`).
_READ_BY_MODELS = ("loads", "quarantine", "run_context")

FULL_REFRESH = "a full refresh was asked for"
_KEPT_PLANS = 50

_TABLES = (
    """
    create table if not exists ops.builds (
        build_seq INTEGER NOT NULL, run_id VARCHAR NOT NULL, as_of TIMESTAMPTZ NOT NULL,
        load_seq INTEGER NOT NULL, inputs VARCHAR NOT NULL, built_at TIMESTAMPTZ NOT NULL)
    """,
    # The build under way or broken off; empty after a successful build.
    """
    create table if not exists ops.build_attempts (run_id VARCHAR NOT NULL)
    """,
    # Beside what ingest declares: the models that measure need to know when a meter may differ.
    "alter table ops.run_context add column if not exists pricebook_changed BOOLEAN",
    "alter table ops.run_context add column if not exists rebuild_reconciliation BOOLEAN",
    # What each of the latest runs was going to do; runs may take turns on the warehouse.
    """
    create table if not exists ops.run_plans (
        plan_seq INTEGER NOT NULL, run_id VARCHAR NOT NULL, plan VARCHAR NOT NULL)
    """,
    # One row: the build whose marts are published.
    "create table if not exists ops.published_build (build_seq INTEGER NOT NULL)",
)


@dataclass(frozen=True)
class Inputs:
    """Everything the marts depend on. The digests are hexadecimal texts.

    code, columns: the models, and the tables they read. While both are the same, an incremental
    build may leave alone the views that it would make again in the same words.
    compared: the Stripe exports, and how much of them and of the ledger is known at `as_of`.
    """

    as_of: datetime
    load_seq: int
    loads: str
    usage_references: str
    rating_references: str
    pricebook: str
    ledger: str
    code: str
    compared: str
    columns: str

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"as_of": self.as_of.isoformat()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Inputs":
        """Read `to_json`; a digest that an older version did not keep counts as changed."""
        stored = json.loads(text)
        values = {each.name: stored.get(each.name, "") for each in fields(cls)}
        return cls(**(values | {"as_of": datetime.fromisoformat(stored["as_of"])}))


@dataclass(frozen=True)
class Plan:
    """What this run will do.

    nothing_new: the last build already answers for these inputs; dbt need not run.
    previous_load_seq: loads up to this one are in the usage tables (0: none).
    pricebook_changed: the meters may measure something else than in the last build.
    reason: why usage or rating is built again, in words; empty for an incremental run.
    rebuild_reconciliation: what every account is compared with may differ from the last build.
    """

    run_id: str
    inputs: Inputs
    previous_as_of: datetime | None
    previous_load_seq: int
    rebuild_usage: bool
    rebuild_rating: bool
    pricebook_changed: bool
    nothing_new: bool
    reason: str
    # An older version did not keep it.
    rebuild_reconciliation: bool = True

    def to_json(self) -> str:
        previous = self.previous_as_of.isoformat() if self.previous_as_of else None
        values = asdict(self) | {"inputs": self.inputs.to_json(), "previous_as_of": previous}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read `to_json`."""
        values = json.loads(text)
        previous = values["previous_as_of"]
        values["inputs"] = Inputs.from_json(values["inputs"])
        values["previous_as_of"] = datetime.fromisoformat(previous) if previous else None
        return cls(**values)


def decide(
    run_id: str,
    inputs: Inputs,
    previous: Inputs | None,
    *,
    broken_off: bool,
    full_refresh: bool,
    marts_present: bool,
) -> Plan:
    """Choose between doing nothing, an incremental build and a rebuild. Pure."""
    usage_reason = _usage_reason(inputs, previous, broken_off, full_refresh)
    rating_reason = usage_reason or _rating_reason(inputs, previous)
    nothing_new = previous == inputs and not broken_off and marts_present and not full_refresh
    return Plan(
        run_id=run_id,
        inputs=inputs,
        previous_as_of=previous.as_of if previous else None,
        previous_load_seq=previous.load_seq if previous else 0,
        rebuild_usage=bool(usage_reason),
        rebuild_rating=bool(rating_reason),
        pricebook_changed=previous is None or inputs.pricebook != previous.pricebook,
        nothing_new=nothing_new,
        reason=rating_reason,
        rebuild_reconciliation=bool(usage_reason) or _comparison_differs(inputs, previous),
    )


def _usage_reason(
    inputs: Inputs, previous: Inputs | None, broken_off: bool, full_refresh: bool
) -> str:
    if full_refresh:
        return FULL_REFRESH
    if previous is None:
        return "no earlier build"
    if inputs.code != previous.code:
        return "the models changed"
    if inputs.columns != previous.columns:
        return "the tables that the models read changed"
    if inputs.usage_references != previous.usage_references:
        return "accounts or account links changed"
    if inputs.as_of < previous.as_of:
        return f"as of {_text(inputs.as_of)}, before the last build's {_text(previous.as_of)}"
    if broken_off:
        # Its models hold parts of it, and the comparison with what was there before is lost.
        return "an earlier build was broken off"
    return ""


def _rating_reason(inputs: Inputs, previous: Inputs | None) -> str:
    if previous is None or inputs.rating_references != previous.rating_references:
        return "price book, subscriptions, credits or exchange rates changed"
    if inputs.ledger != previous.ledger:
        return "the ledger changed"
    return ""


def _comparison_differs(inputs: Inputs, previous: Inputs | None) -> bool:
    return previous is None or any(
        getattr(inputs, name) != getattr(previous, name)
        for name in ("compared", "ledger", "rating_references")
    )


def read_inputs(con: duckdb.DuckDBPyConnection, *, as_of: datetime, code: str) -> Inputs:
    """Reduce the loaded landing zone and the imported ledger to digests."""
    return Inputs(
        as_of=as_of.astimezone(UTC),
        load_seq=_max_load_seq(con),
        loads=_loads_digest(con, None),
        usage_references=_loads_digest(con, _USAGE_REFERENCES),
        rating_references=_loads_digest(con, _RATING_REFERENCES)
        + _stripe_subscriptions_digest(con, as_of),
        pricebook=_pricebook_digest(con, as_of),
        ledger="".join(table_digest(con, name).digest for name in sorted(LEDGER_TABLES)),
        code=code,
        compared=_compared_digest(con, as_of),
        columns=_columns_digest(con),
    )


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that remember builds."""
    for statement in _TABLES:
        con.execute(statement)


def last_build(con: duckdb.DuckDBPyConnection) -> Inputs | None:
    """What the last successful build saw, or None."""
    row = con.execute("select inputs from ops.builds order by build_seq desc limit 1").fetchone()
    return Inputs.from_json(row[0]) if row else None


def last_build_seq(con: duckdb.DuckDBPyConnection) -> int:
    """The running number of the last successful build; 0 when there is none."""
    row = con.execute("select coalesce(max(build_seq), 0) from ops.builds").fetchone()
    return int(row[0]) if row else 0


def last_build_shown(con: duckdb.DuckDBPyConnection) -> Build:
    """The last successful build as its publication names it; there must be one."""
    row = con.execute(
        "select build_seq, run_id, as_of from ops.builds order by build_seq desc limit 1"
    ).fetchone()
    if row is None:
        raise CheckFailed("no build has succeeded yet; run `meterhouse run`")
    return Build(row[0], row[1], row[2], _loads_digest(con, ("pricebook",)))


def last_build_is_published(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the marts of the last successful build were published to the end."""
    row = con.execute("select max(build_seq) from ops.published_build").fetchone()
    return row is not None and row[0] is not None and row[0] == last_build_seq(con)


def record_publication(con: duckdb.DuckDBPyConnection) -> None:
    """Remember that the last successful build is what readers see."""
    con.execute("delete from ops.published_build")
    con.execute("insert into ops.published_build values (?)", [last_build_seq(con)])


def was_broken_off(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a build was begun after the last successful one and did not succeed."""
    return con.execute("select 1 from ops.build_attempts").fetchone() is not None


def write_plan(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Store the plan where the dbt models and the later steps of the run read it."""
    con.execute("begin")
    con.execute("delete from ops.run_context")
    con.execute(
        """
        insert into ops.run_context
            (run_id, as_of, previous_as_of, previous_load_seq, rebuild_usage, rebuild_rating,
             pricebook_changed, rebuild_reconciliation)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            plan.run_id,
            plan.inputs.as_of,
            plan.previous_as_of,
            plan.previous_load_seq,
            plan.rebuild_usage,
            plan.rebuild_rating,
            plan.pricebook_changed,
            plan.rebuild_reconciliation,
        ],
    )
    con.execute("delete from ops.run_plans where run_id = ?", [plan.run_id])
    con.execute(
        "insert into ops.run_plans select coalesce(max(plan_seq), 0) + 1, ?, ? from ops.run_plans",
        [plan.run_id, plan.to_json()],
    )
    con.execute(
        "delete from ops.run_plans where plan_seq <= (select max(plan_seq) from ops.run_plans) - ?",
        [_KEPT_PLANS],
    )
    con.execute("commit")


def read_plan(con: duckdb.DuckDBPyConnection, run_id: str | None = None) -> Plan | None:
    """The plan of a run, or with None of the run that planned last; None when there is none."""
    row = con.execute(
        "select plan from ops.run_plans where run_id = coalesce(?, run_id) order by plan_seq desc",
        [run_id],
    ).fetchone()
    return Plan.from_json(row[0]) if row else None


def is_latest(con: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    """Whether no other run has planned since: the models would read that run's context."""
    return con.execute("select run_id from ops.run_context").fetchall() == [(plan.run_id,)]


def begin_build(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Mark the build as under way: until it is recorded, the warehouse may hold parts of it."""
    con.execute("insert into ops.build_attempts values (?)", [plan.run_id])


def record_build(con: duckdb.DuckDBPyConnection, plan: Plan, built_at: datetime) -> None:
    """Remember a build whose blocking checks all passed."""
    con.execute("begin")
    con.execute(
        """
        insert into ops.builds
        select coalesce(max(build_seq), 0) + 1, ?, ?, ?, ?, ? from ops.builds
        """,
        [
            plan.run_id,
            plan.inputs.as_of,
            plan.inputs.load_seq,
            plan.inputs.to_json(),
            built_at,
        ],
    )
    con.execute("delete from ops.build_attempts")
    con.execute("commit")


def _max_load_seq(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute("select coalesce(max(load_seq), 0) from ops.loads").fetchone()
    return int(row[0]) if row else 0


def _loads_digest(con: duckdb.DuckDBPyConnection, sources: tuple[str, ...] | None) -> str:
    # File names stay out where only content matters; every load's standing is part of the whole.
    if sources is None:
        query = """
            select md5(string_agg(line, chr(10) order by line)) from (
                select concat_ws('|', load_seq, source, file, content_sha256, is_current) as line
                from ops.loads)
        """
        row = con.execute(query).fetchone()
    else:
        query = """
            select md5(string_agg(source || '|' || content_sha256, chr(10)
                                  order by source, content_sha256))
            from ops.loads
            where is_current and list_contains(?, source)
        """
        row = con.execute(query, [list(sources)]).fetchone()
    return (row[0] if row else None) or ""


def _stripe_subscriptions_digest(con: duckdb.DuckDBPyConnection, as_of: datetime) -> str:
    # Every known version of those that ever named a plan: the newest of them may have lost it.
    row = con.execute(
        """
        select md5(string_agg(line, chr(10) order by line)) from (
            select distinct concat_ws('|', object_id, fetched_at, raw) as line
            from raw.stripe_objects
            where object = 'subscriptions' and coalesce(known_at <= $as_of, true)
                and object_id in (
                    select object_id from raw.stripe_objects
                    where object = 'subscriptions' and contains(raw, '"plan_id"')))
        """,
        {"as_of": as_of},
    ).fetchone()
    return (row[0] if row else None) or ""


def _pricebook_digest(con: duckdb.DuckDBPyConnection, as_of: datetime) -> str:
    # The clock uncovers versions that were loaded before: with the same files the same number of
    # them means the same versions, and so the same meters and dimensions.
    row = con.execute(
        """
        select count(*) from raw.pricebook_versions
        where published_at <= ? and load_seq in (select load_seq from ops.loads where is_current)
        """,
        [as_of],
    ).fetchone()
    return f"{_loads_digest(con, ('pricebook',))}|{row[0] if row else 0}"


def _compared_digest(con: duckdb.DuckDBPyConnection, as_of: datetime) -> str:
    # The Stripe exports and, because the clock uncovers rows that were loaded before, how many rows
    # it has uncovered: with the same loads and ledger the same number means the same rows.
    row = con.execute(
        """
        select concat_ws(
            '|',
            (select md5(string_agg(concat_ws('|', load_seq, content_sha256, is_current), chr(10)
                                   order by load_seq))
             from ops.loads where starts_with(source, 'stripe/')),
            (select count(*) from raw.stripe_objects where coalesce(known_at <= $as_of, true)),
            (select count(*) from raw.ledger_approvals where approved_at::timestamptz <= $as_of),
            (select count(*) from raw.ledger_intents where created_at::timestamptz <= $as_of),
            (select count(*) from raw.ledger_answers where "at"::timestamptz <= $as_of),
            (select count(*) from raw.pricebook_versions where published_at <= $as_of))
        """,
        {"as_of": as_of},
    ).fetchone()
    return str(row[0]) if row else ""


def _columns_digest(con: duckdb.DuckDBPyConnection) -> str:
    row = con.execute(
        """
        select md5(string_agg(
            concat_ws('|', schema_name, table_name, column_name, data_type), chr(10)
            order by schema_name, table_name, column_index))
        from duckdb_columns()
        where database_name = current_database()
            and (schema_name = 'raw'
                 or (schema_name = 'ops' and list_contains(?, table_name)))
        """,
        [list(_READ_BY_MODELS)],
    ).fetchone()
    return str(row[0]) if row else ""


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
