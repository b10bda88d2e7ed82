"""The process that runs suites: a request as JSON on standard input, outcomes on standard output.

Its Great Expectations context lives in memory; nothing is written anywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import duckdb

from ingest.errors import MeterhouseError
from ingest.expectations import SAMPLE_ROWS, Rule, Suite
from ingest.expectations.dialect import DRIVER
from ingest.expectations.register import SUITES


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    outcomes: list[dict[str, Any]] = []
    files = _files(request["warehouse"], request["load_seqs"])
    suites = {suite.asset: suite for suite in SUITES}
    for suite in (suites[asset] for asset in request["suites"]):
        loads = _rows_to_judge(suite, request["load_seqs"], request["now"])
        outcomes += run_suite(request["warehouse"], suite, loads, files)
    sys.stdout.write(json.dumps(outcomes) + "\n")


def _rows_to_judge(suite: Suite, load_seqs: Sequence[int], now: str) -> str:
    """SELECT of the rows of some loads, less those of records that a correction voids by now."""
    chosen = ", ".join(str(load_seq) for load_seq in load_seqs)
    return f"""
        select * from {suite.table}
        where load_seq in ({chosen}) and coalesce({suite.record_id} not in (
            select record_id from raw.corrections
            where requested_at <= timestamptz '{now}'
                and load_seq in (select load_seq from ops.loads where is_current)
            qualify action = 'void' and row_number() over (
                partition by record_id order by requested_at desc, correction_id) = 1
        ), true)
    """


def run_suite(
    warehouse: str, suite: Suite, loads: str, files: dict[int, str]
) -> list[dict[str, Any]]:
    """Outcomes of one suite on the rows of a SELECT; `files` names the file of each load."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    # Its types leave out what a data source passes on to SQLAlchemy.
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=f"{DRIVER}:///{warehouse}",
        create_temp_table=False,
        kwargs={"connect_args": {"read_only": True}},
    )
    asset = source.add_query_asset(suite.table, query=loads)
    batch = asset.add_batch_definition_whole_table("loads").get_batch()
    expectations = gx.ExpectationSuite(name=suite.table)
    for rule in suite.rules:
        expectation = rule.build(gxe)
        expectation.meta = {"rule": rule.name}
        expectations.add_expectation(expectation)
    validated: Any = batch.validate(
        expectations,
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": ["load_seq", "record_number"],
            "partial_unexpected_count": SAMPLE_ROWS,
        },
    )
    found = {each.expectation_config.meta["rule"]: each for each in validated.results}
    engine = source.get_execution_engine().engine
    outcomes = []
    for rule in suite.rules:
        result = found[rule.name]
        rows = result.result.get("partial_unexpected_index_list")
        if not result.success and rows is None:
            # A summary of a rule that is a query has no rows: ask for some.
            query = result.expectation_config.kwargs["unexpected_rows_query"]
            rows = _some_rows(engine, query.replace("{batch}", f"({loads})"))
        outcomes.append(_outcome(rule, suite.table, result, rows or [], files))
    return outcomes


def _some_rows(engine: Any, query: str) -> list[dict[str, int]]:
    ordered = f"select load_seq, record_number from ({query}) order by all limit {SAMPLE_ROWS}"
    with engine.connect() as connection:
        found = connection.exec_driver_sql(ordered).fetchall()
    return [{"load_seq": row[0], "record_number": row[1]} for row in found]


def _outcome(
    rule: Rule, table: str, result: Any, rows: list[dict[str, int]], files: dict[int, str]
) -> dict[str, Any]:
    raised = result.exception_info
    if raised.get("raised_exception", True):
        raise MeterhouseError(f"{rule.name}: {raised}")
    content = result.result
    # A rule on a column counts its failures, a rule that is a query observes them.
    failing = content.get("unexpected_count", content.get("observed_value")) or 0
    sample = sorted({(files[row["load_seq"]], row["record_number"]) for row in rows})
    return {
        "name": rule.name,
        "table": table,
        "passed": bool(result.success),
        "blocking": rule.blocking,
        "failing_rows": int(failing),
        "detail": rule.detail,
        "sample": sample[:SAMPLE_ROWS],
    }


def _files(warehouse: str, load_seqs: Sequence[int]) -> dict[int, str]:
    with duckdb.connect(warehouse, read_only=True) as con:
        rows = con.execute("select load_seq, file from ops.loads").fetchall()
    return {load_seq: file for load_seq, file in rows if load_seq in set(load_seqs)}


if __name__ == "__main__":
    main()
