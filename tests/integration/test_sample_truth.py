"""The bundled sample month, built as `make run` builds it, against what its simulation knows.

`data/sample_truth.json` was written by the generator from its own timeline, never from Meterhouse:
every figure here is compared exactly.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from world import Row, World, utc

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
AS_OF = "2026-09-02T12:00:00Z"
MILLIONTH = Decimal("0.000001")

Truth = dict[str, Any]


@pytest.fixture(scope="module")
def truth() -> Truth:
    """What the simulation knows."""
    found: Truth = json.loads((ROOT / "data" / "sample_truth.json").read_text(encoding="utf-8"))
    assert found["as_of"] == AS_OF
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The sample, built by dbt itself with every data test, in a fresh home."""
    world = World(tmp_path_factory.mktemp("sample"), landing=ROOT / "data" / "sample")
    built = world.build(AS_OF)
    failed = [result.describe() for result in built.results if not result.passed]
    assert failed == []
    return world


def test_every_file_has_its_records(sample: World, truth: Truth) -> None:
    """Each file has as many records as were written, and exactly the bad ones in quarantine."""
    loads = sample.query("select file, records, quarantined from ops.loads")
    assert {row["file"] for row in loads} == set(truth["files"])
    assert {row["file"]: row["records"] for row in loads if not is_book(row)} == records(truth)
    assert {(row["file"], row["record_number"]) for row in sample.quarantine()} == {
        (file, bad["record_number"])
        for file, told in truth["files"].items()
        for bad in told["quarantined"]
    }
    assert sum(row["quarantined"] for row in loads) == len(sample.quarantine())


def is_book(row: Row) -> bool:
    """Whether a row is about the price book, which has no records to count."""
    return str(row["file"]).startswith("pricebook/")


def records(truth: Truth) -> dict[str, int]:
    """The records that were written to each file."""
    files = truth["files"].items()
    return {file: told["records"] for file, told in files if told["records"] is not None}


def test_every_row_has_a_disposition(sample: World, truth: Truth) -> None:
    """Rows in = rows out, for each of the files."""
    rows = sample.query(
        "select file, sum(rows)::bigint as rows from marts.fct_row_dispositions group by 1"
    )
    assert {row["file"]: row["rows"] for row in rows if not is_book(row)} == records(truth)


def stretches(sample: World) -> list[Row]:
    """Microseconds of each account by calendar month of its zone, size and provider.

    `is_inferred` as the truth has it: nobody told the end, and the run does not last until now.
    """
    return sample.query(
        """
        with months as (
            select unnest(['2026-07', '2026-08', '2026-09']) as month
        ),
        bounds as (
            select
                months.month, zones.account_id,
                (months.month || '-01')::timestamp at time zone zones.timezone as month_start,
                ((months.month || '-01')::timestamp + interval 1 month)
                    at time zone zones.timezone as month_end
            from months
            cross join (
                select account_id, timezone from marts.dim_accounts
                union all select 'unattributed', 'UTC'
            ) as zones
        )
        select
            account_id, month, provider, memory_mib, vcpu, disk_mib, gpu,
            evidence <> 'open' and execution_id in (
                select execution_id from marts.fct_usage_issues where issue = 'end_missing'
            ) as is_inferred,
            sum(epoch_us(least(ended_at, month_end))
                - epoch_us(greatest(started_at, month_start)))::bigint as us
        from marts.fct_compute_intervals
        inner join bounds using (account_id)
        where started_at < month_end and ended_at > month_start
        group by all
        """
    )


def measures(row: Row) -> Iterator[tuple[str, Decimal]]:
    """The quantity of each measure that a stretch has."""
    seconds = row["us"] * MILLIONTH
    # A stopped sandbox has a disk and nothing else.
    yield "seconds", seconds if row["vcpu"] or row["memory_mib"] or row["gpu"] else Decimal(0)
    yield "cpu_core_seconds", seconds * (row["vcpu"] or 0)
    yield "ram_gibi_seconds", seconds * (row["memory_mib"] or 0) / 1024
    yield "ssd_gibi_seconds", seconds * (row["disk_mib"] or 0) / 1024
    yield "gpu_core_seconds", seconds * (row["gpu"] or 0)


def test_every_total_of_every_account(sample: World, truth: Truth) -> None:
    """Each account's usage per calendar month and measure, its inferred part, and its sizes.

    Measured amounts are published by the UTC hour, so their months are those of accounts whose
    zone is whole hours from UTC; the totals of all are compared below.
    """
    totals: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    inferred: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    sizes: dict[tuple[str, str, str, str, int], Decimal] = defaultdict(Decimal)
    for row in stretches(sample):
        for measure, amount in measures(row):
            key = row["account_id"], row["month"], measure
            totals[key] += amount
            inferred[key] += amount if row["is_inferred"] else 0
            sizes[*key, row["provider"], row["memory_mib"]] += amount
    measured = sample.query(
        """
        select usage.account_id, usage.meter_id, sum(usage.quantity) as quantity,
               strftime(usage_hour at time zone timezone, '%Y-%m') as month
        from marts.fct_usage_hourly as usage
        inner join marts.dim_accounts using (account_id)
        where meter_id in ('api_requests', 'artifact_gib_months', 'agent_tokens', 'session_storage')
            and minute(timestamptz '2026-08-01 00:00:00+00' at time zone timezone) = 0
        group by all
        """
    )
    assert len(measured) > 30
    for row in measured:
        totals[row["account_id"], row["month"], row["meter_id"]] += row["quantity"]
    told = {
        (row["account_id"], row["month"], row["measure"]): row
        for row in truth["usage"]
        if "by_size" in row or utc(AS_OF).astimezone(ZoneInfo(row["timezone"])).minute == 0
    }
    assert {key: amount for key, amount in totals.items() if amount} == {
        key: Decimal(row["quantity"]) for key, row in told.items()
    }
    compute = {key: row for key, row in told.items() if "by_size" in row}
    assert {key: inferred[key] for key in compute} == {
        key: Decimal(row["inferred_quantity"]) for key, row in compute.items()
    }
    assert {key: amount for key, amount in sizes.items() if amount} == {
        (*key, size["provider"], size["memory_mib"]): Decimal(size["quantity"])
        for key, row in compute.items()
        for size in row["by_size"]
    }


def test_daily_usage_adds_up_to_the_truth(sample: World, truth: Truth) -> None:
    """The usage marts hold all of it, per account and measure."""
    meters = {
        "seconds": "sandbox_seconds",
        "cpu_core_seconds": "sandbox_cpu_core_seconds",
        "ram_gibi_seconds": "sandbox_ram_gibi_seconds",
        "ssd_gibi_seconds": "sandbox_ssd_gibi_seconds",
        "gpu_core_seconds": "sandbox_gpu_core_seconds",
    }
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in truth["usage"]:
        expected[row["account_id"], meters.get(row["measure"], row["measure"])] += Decimal(
            row["quantity"]
        )
    for mart in ("fct_usage_daily", "fct_usage_hourly"):
        rows = sample.query(
            f"select account_id, meter_id, sum(quantity) as q from marts.{mart} group by all"
        )
        assert {(row["account_id"], row["meter_id"]): row["q"] for row in rows} == expected


Statement = tuple[str, datetime, datetime]


def told_statements(truth: Truth) -> dict[Statement, Truth]:
    """The closed statements of the truth: subscription, and its time in the billing period."""
    return {
        (told["subscription_id"], utc(told["period_start"]), utc(told["period_end"])): told
        for told in truth["statements"]
    }


def closed_statements(sample: World) -> dict[str, Statement]:
    """The closed statements of the marts by id, their period cut to the subscription's time."""
    text = (ROOT / "data" / "sample" / "subscriptions.csv").read_text(encoding="utf-8")
    subscriptions = {row["subscription_id"]: row for row in csv.DictReader(text.splitlines())}
    found = {}
    for row in sample.query("select * from marts.fct_statements where status = 'closed'"):
        subscription = subscriptions[row["subscription_id"]]
        ended_at = subscription["ended_at"]
        start = max(row["period_start"], utc(subscription["started_at"]))
        end = min(row["period_end"], utc(ended_at)) if ended_at else row["period_end"]
        found[row["statement_id"]] = (row["subscription_id"], start, end)
    return found


def test_the_closed_statements_are_those_of_the_truth(sample: World, truth: Truth) -> None:
    """Every billing period that has ended is closed, by the account's own calendar."""
    assert sorted(closed_statements(sample).values()) == sorted(told_statements(truth))


def test_every_line_of_every_closed_statement(sample: World, truth: Truth) -> None:
    """Quantity and amount of each usage line, and the base fee: no line more or less."""
    statements = closed_statements(sample)
    found: dict[Statement, dict[tuple[str, str], tuple[Decimal, int]]] = defaultdict(dict)
    fees: dict[Statement, int] = defaultdict(int)
    for row in sample.query(
        "select * from marts.fct_charges where charge_class in ('usage', 'base_fee')"
    ):
        statement = statements.get(row["statement_id"])
        if statement is not None and row["charge_class"] == "base_fee":
            fees[statement] += row["amount_minor"]
        elif statement is not None:
            line = row["quantity"], row["amount_minor"]
            found[statement][row["charge_key"], row["plan_version"]] = line
    told = told_statements(truth)
    assert found == {
        statement: {
            (line["charge_key"], line["plan_version"]): (
                Decimal(line["quantity"]),
                line["amount_minor"],
            )
            for line in each["lines"]
        }
        for statement, each in told.items()
        if each["lines"]
    }
    assert fees == {
        statement: each["base_minor"] for statement, each in told.items() if each["base_minor"]
    }


def test_the_planted_discrepancies_are_found_and_nothing_else(sample: World, truth: Truth) -> None:
    """Each of the eight differences is named, in its account and month, and no other is."""
    found = sample.query("select * from marts.fct_discrepancies")
    planted = {(told["account_id"], told["cause"]): told for told in truth["discrepancies"]}
    assert sorted((row["account_id"], row["cause"]) for row in found) == sorted(planted)
    for row in found:
        told = planted[row["account_id"], row["cause"]]
        names = ("meter_id", "leg", "stripe_event_name")
        assert [row[name] for name in names] == [told[name] for name in names]
        assert (row["period_start"], row["period_end"]) == (
            utc(told["period_start"]),
            utc(told["period_end"]),
        )
        assert abs(row["quantity_delta"] - Decimal(told["quantity_delta"])) < MILLIONTH, row
        assert row["amount_delta_minor"] == told["amount_delta_minor"], row


def test_nothing_stays_unexplained(sample: World) -> None:
    """Apart from what the named causes explain, Stripe and the warehouse agree."""
    rows = sample.query(
        """
        select account_id, meter_id, unexplained_quantity, unexplained_amount_minor
        from marts.fct_reconciliation
        where abs(unexplained_quantity) > 0.000001 or unexplained_amount_minor <> 0
        """
    )
    assert rows == []
