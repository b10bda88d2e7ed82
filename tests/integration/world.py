"""A small world: a landing zone that a test writes, and a home that the product's steps build.

A test says what it is about and leaves the rest to defaults: every account has a subscription to
the plan `payg` since 2026-01-01, is found by the E2B metadata `customer=<account>` and by the
OpenComputer and Daytona organisations `org-<account>` and the Vercel project `prj-<account>`, and
pays one cent for each second, core-second and GiB-second of each meter.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from dagster_project.ledger import Approval, Ledger
from dagster_project.lib import billing, pipeline
from dagster_project.lib.dbt_build import DbtOutcome
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.pipeline import Built
from ingest.settings import Settings
from reports.marts import open_marts

Row = dict[str, Any]
RunDbt = Callable[..., DbtOutcome]

MEASURES = {
    "sandbox_seconds": "seconds",
    "sandbox_cpu_core_seconds": "cpu_core_seconds",
    "sandbox_ram_gibi_seconds": "ram_gibi_seconds",
    "sandbox_ssd_gibi_seconds": "ssd_gibi_seconds",
    "sandbox_gpu_core_seconds": "gpu_core_seconds",
}


def utc(text: str) -> datetime:
    """An instant from `2026-08-01` or `2026-08-01T10:00:00.5`, in UTC unless it names an offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def text_of(moment: datetime | str) -> str:
    """A time as the providers write it."""
    if isinstance(moment, str):
        return moment
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- The price book -------------------------------------------------------------------------


def meters(*quantities: str) -> list[Row]:
    """The five compute meters, and one meter for each named quantity."""
    compute = [
        {"meter_id": meter, "source": "compute", "measure": measure, "unit": measure}
        for meter, measure in MEASURES.items()
    ]
    measured = [{"meter_id": name, "source": "quantities", "unit": "unit"} for name in quantities]
    return [each | {"stripe_event_name": each["meter_id"]} for each in (*compute, *measured)]


def charge(key: str, meter_id: str, unit_amount: str = "0.01", **more: Any) -> Row:
    """A charge of the model `standard` unless `more` says otherwise."""
    standard = {"model": "standard", "properties": {"unit_amount": unit_amount}}
    return {"charge_key": key, "meter_id": meter_id} | standard | more


def version(valid_from: str, charges: Sequence[Row], **more: Any) -> Row:
    """A monthly plan version in dollars without a base fee unless `more` says otherwise."""
    terms = {"currency": "usd", "interval": "month", "base_amount": "0"}
    return {"valid_from": valid_from} | terms | more | {"charges": list(charges)}


def plan(plan_id: str, *versions: Row) -> Row:
    """A plan of one or more versions."""
    return {"plan_id": plan_id, "name": plan_id.title(), "versions": list(versions)}


START = "2026-01-01T00:00:00Z"
PAYG = plan("payg", version(START, [charge(meter, meter) for meter in MEASURES]))


# --- Records --------------------------------------------------------------------------------


def e2b(
    kind: str,
    at: datetime | str,
    sandbox: str,
    execution: str = "run-1",
    *,
    customer: str | None = None,
    event_id: str | None = None,
    ran_ms: int | None = None,
    started_at: datetime | str | None = None,
    vcpu: int = 2,
    memory_mib: int = 512,
    timeout: datetime | str | None = None,
    template: str = "base",
    team: str = "team-1",
    **more: Any,
) -> Row:
    """An E2B lifecycle event as emitted (v2). `ran_ms` gives its `execution` its sizes and time."""
    data: Row = {}
    if customer is not None:
        data["sandbox_metadata"] = {"customer": customer}
    if ran_ms is not None:
        data["execution"] = {
            "started_at": text_of(started_at) if started_at else text_of(at)[:19] + "Z",
            "vcpu_count": vcpu,
            "memory_mb": memory_mib,
            "execution_time": ran_ms,
        }
    if timeout is not None:
        data["set_timeout"] = text_of(timeout)
    event = {
        "id": event_id or f"{sandbox}/{execution}/{kind}/{text_of(at)}",
        "version": "v2",
        "type": f"sandbox.lifecycle.{kind}",
        "timestamp": text_of(at),
        "sandbox_id": sandbox,
        "sandbox_execution_id": execution,
        "sandbox_template_id": template,
        "sandbox_build_id": "",
        "sandbox_team_id": team,
    }
    return event | ({"event_data": data} if data else {}) | more


def capture(event: Row, received_at: datetime | str, delivery: str = "d-1") -> Row:
    """A webhook capture of an event: when it came, and its exact bytes."""
    return {
        "received_at": text_of(received_at),
        "headers": {"e2b-delivery-id": delivery},
        "body": json.dumps(event),
    }


def scale_event(
    event_id: str,
    account: str,
    sandbox: str,
    started_at: datetime | str,
    ended_at: datetime | str | None,
    *,
    memory_mib: int = 4096,
    cpu_percent: int = 100,
    **more: Any,
) -> Row:
    """A row of OpenComputer's scale-event table, of the organisation `org-<account>`."""
    return {
        "id": event_id,
        "sandboxId": sandbox,
        "orgId": f"org-{account}",
        "memoryMB": memory_mib,
        "cpuPercent": cpu_percent,
        "startedAt": text_of(started_at),
        "endedAt": text_of(ended_at) if ended_at else None,
    } | more


def period(
    account: str,
    sandbox: str,
    started_at: datetime | str,
    ended_at: datetime | str | None,
    *,
    cpu: float = 2,
    mem: float = 4,
    disk: float = 8,
    row_id: str = "row-1",
    **more: Any,
) -> Row:
    """A row of Daytona's usage periods, of the organisation `org-<account>`; sizes in GiB."""
    return {
        "id": row_id,
        "sandboxId": sandbox,
        "organizationId": f"org-{account}",
        "startAt": text_of(started_at),
        "endAt": text_of(ended_at) if ended_at else None,
        "cpu": cpu,
        "gpu": 0,
        "gpu_type": None,
        "mem": mem,
        "disk": disk,
        "region": "us",
        "sandboxClass": "container",
        "regionType": "shared",
    } | more


def poll(
    account: str,
    start: datetime | str,
    end: datetime | str,
    fetched_at: datetime | str,
    response: Any = None,
    **totals: float,
) -> Row:
    """An answer of Daytona's usage API about the organisation `org-<account>`.

    `totals` are `CPU`, `RAMGB`, `DiskGB` and `GPU` seconds; `response`, a list, is one by sandbox.
    """
    told = {f"total{name}Seconds": value for name, value in totals.items()}
    return {
        "source": "daytona.aggregated" if response is None else "daytona.sandbox",
        "organization_id": f"org-{account}",
        "from": text_of(start),
        "to": text_of(end),
        "fetched_at": text_of(fetched_at),
        "response": told if response is None else response,
    }


def milliseconds(moment: datetime | str) -> int:
    """A time as Vercel writes it: milliseconds since 1970."""
    at = utc(moment) if isinstance(moment, str) else moment
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def session(
    session_id: str,
    account: str,
    status: str,
    updated_at: datetime | str,
    started_at: datetime | str | None = None,
    stopped_at: datetime | str | None = None,
    **more: Any,
) -> Row:
    """A state of a Vercel session of the project `prj-<account>`: two cores, 4096 MB."""
    told = {
        "id": session_id,
        "projectId": f"prj-{account}",
        "sourceSandboxName": f"box-{account}",
        "memory": 4096,
        "vcpus": 2,
        "region": "iad1",
        "runtime": "node24",
        "timeout": 300_000,
        "status": status,
        "createdAt": milliseconds(updated_at),
        "updatedAt": milliseconds(updated_at),
    }
    if started_at:
        told["startedAt"] = milliseconds(started_at)
    if stopped_at:
        told["stoppedAt"] = milliseconds(stopped_at)
    return told | more


def interval(
    record_id: str,
    account_ref: str,
    resource: str,
    started_at: datetime | str,
    ended_at: datetime | str | None,
    **more: Any,
) -> Row:
    """A row of `intervals/`: one core, 1 GiB of memory and 10 GiB of disk unless `more` says so."""
    return {
        "record_id": record_id,
        "provider": "foundry",
        "account_ref": account_ref,
        "resource_id": resource,
        "started_at": text_of(started_at),
        "ended_at": text_of(ended_at) if ended_at else "",
        "vcpu": "1",
        "memory_mib": 1024,
        "disk_mib": 10240,
        "gpu": "",
    } | more


def quantity(
    record_id: str,
    account_ref: str,
    meter_id: str,
    amount: str,
    started_at: datetime | str,
    ended_at: datetime | str,
    **dimensions: str,
) -> Row:
    """A row of `quantities/`."""
    return {
        "record_id": record_id,
        "account_ref": account_ref,
        "meter_id": meter_id,
        "quantity": amount,
        "started_at": text_of(started_at),
        "ended_at": text_of(ended_at),
    } | dimensions


# --- The world ------------------------------------------------------------------------------


class Cases:
    """What the cases of one test file write into one landing zone, built once for all of them."""

    def __init__(self) -> None:
        self._writers: list[Callable[[World], None]] = []

    def written(self, writer: Callable[[World], None]) -> Callable[[World], None]:
        """Registers what a case writes before the one build."""
        self._writers.append(writer)
        return writer

    def tell(self, world: World) -> None:
        """Write every case, in the order of the file."""
        for writer in self._writers:
            writer(world)


class World:
    """A landing zone and a home in a folder of their own."""

    def __init__(
        self, folder: Path, run_dbt: RunDbt | None = None, landing: Path | None = None
    ) -> None:
        """`run_dbt` takes the place of dbt in the pipeline; None: dbt itself.

        `landing` is a landing zone that stands somewhere else already and is only read.
        """
        self.landing = landing or folder / "landing"
        self.home = folder / "home"
        self._writes = landing is None
        if self._writes:
            self.landing.mkdir(parents=True, exist_ok=True)
        self._run_dbt = run_dbt
        self._runs = 0
        self.accounts: list[Row] = []
        self.links: list[Row] = []
        self.subscriptions: list[Row] = []
        self.credits: list[Row] = []
        self.meters = meters()
        self.plans = [PAYG]

    def settings(self, now: datetime) -> Settings:
        """The product's settings with the clock at `now`."""
        return Settings(landing=self.landing, home=self.home, now=now, e2b_webhook_secret=None)

    # Writing.

    def write(self, path: str, content: str | bytes | Sequence[Mapping[str, Any]]) -> Path:
        """Write a landing file: text, bytes, or records in the format that the name says."""
        target = self.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content if isinstance(content, str) else _file_of(path, content))
        return target

    def account(
        self,
        account_id: str,
        *,
        timezone: str = "UTC",
        plan_id: str | None = "payg",
        started_at: str = START,
        anchor: str = "",
        links: bool = True,
    ) -> str:
        """Add an account with its subscription (`plan_id` None: without) and its usual links."""
        self.accounts.append(
            {
                "account_id": account_id,
                "name": account_id.title(),
                "stripe_customer_id": f"cus_{account_id}",
                "currency": "usd",
                "timezone": timezone,
                "email": f"{account_id}@example.com",
            }
        )
        if links:
            self.link("e2b", "metadata:customer", account_id, account_id)
            self.link("opencomputer", "account", f"org-{account_id}", account_id)
            self.link("daytona", "account", f"org-{account_id}", account_id)
            self.link("vercel", "project", f"prj-{account_id}", account_id)
        if plan_id is not None:
            self.subscribe(account_id, plan_id, started_at, anchor=anchor)
        return account_id

    def link(
        self, provider: str, key: str, value: str, account: str, start: str = "", end: str = ""
    ) -> None:
        """Add a line of `account_links.csv`."""
        self.links.append(
            {
                "provider": provider,
                "match_key": key,
                "match_value": value,
                "account_id": account,
                "valid_from": start,
                "valid_to": end,
            }
        )

    def subscribe(
        self,
        account: str,
        plan_id: str,
        start: str,
        end: str = "",
        anchor: str = "",
        trial_end: str = "",
        **more: str,
    ) -> None:
        """Add a line of `subscriptions.csv`, with the id `sub-<account>-<n>`."""
        number = sum(each["account_id"] == account for each in self.subscriptions) + 1
        self.subscriptions.append(
            {
                "subscription_id": f"sub-{account}-{number}",
                "account_id": account,
                "plan_id": plan_id,
                "started_at": start,
                "ended_at": end,
                "billing_anchor": anchor,
                "spending_cap": "",
                "on_demand": "",
                "trial_ends_at": trial_end,
            }
            | more
        )

    def write_references(self) -> None:
        """Write accounts, links, subscriptions, credits and the price book as they stand now."""
        references = {
            "accounts.csv": self.accounts,
            "account_links.csv": self.links,
            "subscriptions.csv": self.subscriptions,
            "credits.csv": self.credits,
        }
        for name, rows in references.items():
            if rows:
                self.write(name, rows)
        book = {"meters": self.meters, "plans": self.plans}
        self.write("pricebook/book.yaml", yaml.safe_dump(book, sort_keys=False))

    # Building.

    def build(self, as_of: datetime | str, *, full_refresh: bool = False) -> Built:
        """Load, build and publish with the clock at `as_of`; a failing check fails the test."""
        now = utc(as_of) if isinstance(as_of, str) else as_of
        if self._writes:
            self.write_references()
        self._runs += 1
        run_id = f"run-{self._runs}"
        settings = self.settings(now)
        pipeline.load(settings, run_id=run_id, as_of=now, full_refresh=full_refresh)
        built = self._build(settings, run_id)
        stopping = [result.describe() for result in built.stopping]
        assert not stopping, "\n".join(stopping)
        pipeline.publish_marts(settings, run_id=run_id)
        return built

    def _build(self, settings: Settings, run_id: str) -> Built:
        own = pipeline.run_dbt
        pipeline.run_dbt = self._run_dbt or own
        try:
            return pipeline.build(settings, run_id=run_id)
        finally:
            pipeline.run_dbt = own

    def approve(
        self, period: str, now: datetime | str, accounts: Sequence[str] = ()
    ) -> list[Approval]:
        """Approve the closed statements of a period as published, with the clock at `now`."""
        moment = utc(now) if isinstance(now, str) else now
        settings = self.settings(moment)
        ledger = Ledger(settings.ledger_url)
        try:
            approved = billing.approve(settings, ledger, period=period, by="Ada", accounts=accounts)
        finally:
            ledger.close()
        return approved.approvals

    # Reading.

    def query(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query on the published marts (read-only)."""
        with open_marts(HomeLayout(self.home).marts_database) as con:
            return billing.rows_of(con, sql, values)

    def value(self, sql: str, *values: Any) -> Any:
        """The one value of a query that gives one row of one column."""
        rows = self.query(sql, *values)
        assert len(rows) == 1, f"{len(rows)} rows: {sql} {values}"
        return next(iter(rows[0].values()))

    def digests(self) -> dict[str, str]:
        """The digest of each published mart, as `publish` computes it."""
        rows = self.query(
            "select table_name, digest from ops.publication where schema_name = 'marts' order by 1"
        )
        assert rows, "nothing is published"
        return {row["table_name"]: row["digest"] for row in rows}

    def quarantine(self) -> list[Row]:
        """What was quarantined, in the order of the files."""
        return self.query(
            "select source, file, record_number, reason from ops.quarantine order by 2, 3"
        )

    def intervals(self, sandbox: str) -> list[Row]:
        """The intervals of one sandbox, in order."""
        return self.query(
            "select * from marts.fct_compute_intervals where sandbox_id = ? order by started_at",
            sandbox,
        )

    def seconds(self, sandbox: str) -> Decimal:
        """The seconds of one sandbox."""
        return sum((row["seconds"] for row in self.intervals(sandbox)), Decimal(0))

    def usage(self, account: str, meter_id: str = "sandbox_seconds") -> Decimal:
        """The total of one meter of one account."""
        found = self.value(
            "select sum(quantity) from marts.fct_usage_daily where account_id = ? and meter_id = ?",
            account,
            meter_id,
        )
        return Decimal(0) if found is None else found

    def issues(self, sandbox: str) -> list[str]:
        """What a person should know about the runs of one sandbox, in order."""
        rows = self.query(
            "select issue from marts.fct_usage_issues where sandbox_id = ? order by issue", sandbox
        )
        return [row["issue"] for row in rows]

    def dispositions(self, file: str) -> dict[str, int]:
        """What became of the rows of one file."""
        rows = self.query(
            "select disposition, rows from marts.fct_row_dispositions where file = ?", file
        )
        return {row["disposition"]: row["rows"] for row in rows}

    def lines(self, account: str, **where: Any) -> list[Row]:
        """The charges of an account, in a fixed order; `where` names columns and their values."""
        conditions = "".join(f" and {column} = ?" for column in where)
        return self.query(
            f"""
            select charges.*, statements.period as statement_period
            from marts.fct_charges as charges
            inner join marts.fct_statements as statements using (statement_id)
            where charges.account_id = ? {conditions}
            order by statements.period_start, charges.period_start, charge_class, charge_key,
                plan_version
            """,
            account,
            *where.values(),
        )


def _file_of(path: str, records: Sequence[Mapping[str, Any]]) -> str:
    if path.endswith((".ndjson", ".jsonl")):
        return "".join(json.dumps(record) + "\n" for record in records)
    if path.endswith(".json"):
        return json.dumps(list(records))
    return _csv(records)


def _csv(records: Iterable[Mapping[str, Any]]) -> str:
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
