"""The committed sample is what its generator makes, shows every oddity, and says what is true.

The small reader here knows the provider formats and nothing of the product: it recovers usage from
the files alone, so that the truth file cannot drift from what was written.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from data.generator.__main__ import SEED, generate
from data.generator.e2b import WEBHOOK_SECRET
from data.generator.landing import same_content

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data" / "sample"
TRUTH = ROOT / "data" / "sample_truth.json"
AS_OF = datetime(2026, 9, 2, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ODDITIES = {
    "checkpoint_short_execution", "crash_then_resume", "customer_moved", "delivered_out_of_order",
    "duplicate_delivery", "end_before_start", "gap_filled_by_table_dump", "missing_end",
    "off_tier_size",
    "offset_timestamp", "open_row_closed_later", "overlapping_open_rows", "overlapping_runs",
    "pause_and_resume", "push_and_poll", "received_after_month_end", "received_days_late", "resize",
    "same_sandbox_id_in_two_orgs", "still_open", "timestamp_without_zone", "truncated_json_line",
    "truncated_start", "unattributed", "wrong_typed_memory", "zero_execution_time",
}  # fmt: skip
CAUSES = {
    "decimal_gigabytes": "pushed_meter",
    "late_usage_not_pushed": "pushed_meter",
    "missing_end_not_billed": "pushed_meter",
    "paused_time_counted": "pushed_meter",
    "price_not_in_force": "meter_invoice",
    "retries_counted_again": "pushed_meter",
    "rounded_up_per_record": "pushed_meter",
    "usage_after_finalization": "meter_invoice",
}


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return json.loads(TRUTH.read_text(encoding="utf-8"))


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(SAMPLE / name))))


def objects(kind: str) -> list[dict[str, Any]]:
    """The Stripe objects of a kind, the latest fetch of each."""
    latest: dict[str, dict[str, Any]] = {}
    for path in sorted((SAMPLE / "stripe" / kind).iterdir()):
        for line in text_of(path).splitlines():
            thing = json.loads(line)
            latest[thing["id"]] = thing
    return list(latest.values())


def at(text: str) -> datetime:
    """A time with a zone; digits below the microsecond (zeros here) are cut off."""
    whole, dot, fraction = text.replace("Z", "+00:00").partition(".")
    if dot:
        digits, sign, zone = fraction.partition("+")
        whole = f"{whole}.{digits[:6]:0<6}{sign}{zone}"
    found = datetime.fromisoformat(whole)
    if found.tzinfo is None:
        raise ValueError(f"no zone in {text}")
    return found.astimezone(UTC)


# --- the generator ------------------------------------------------------------------------------


def test_the_committed_sample_is_what_the_seed_makes(truth: dict[str, Any]) -> None:
    sample = generate(SEED)
    committed = {p.relative_to(SAMPLE).as_posix(): p for p in SAMPLE.rglob("*") if p.is_file()}
    assert sorted(committed) == sorted(sample.landing.contents)
    different = [
        path
        for path, content in sample.landing.contents.items()
        if not same_content(path, committed[path].read_bytes(), content)
    ]
    assert different == []
    assert sample.truth_text() == TRUTH.read_text(encoding="utf-8")
    assert truth["seed"] == SEED


def test_another_seed_makes_another_company() -> None:
    other = generate(SEED + 1)
    assert other.landing.contents["accounts.csv"] != (SAMPLE / "accounts.csv").read_bytes()
    assert {d["cause"] for d in other.truth["discrepancies"]} == set(CAUSES)


def test_a_gzip_file_is_compared_by_what_it_says() -> None:
    assert same_content("a.gz", gzip.compress(b"x", 1, mtime=0), gzip.compress(b"x", 9, mtime=5))
    assert not same_content("a.gz", gzip.compress(b"x"), gzip.compress(b"y"))
    assert not same_content("a", b"x", b"y")


def test_the_sample_is_small_and_its_counts_are_right(truth: dict[str, Any]) -> None:
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) < 4_000_000
    for path, entry in truth["files"].items():
        text = text_of(SAMPLE / path)
        if path.endswith(".csv"):
            counted = len(list(csv.reader(io.StringIO(text)))) - 1
        elif path.endswith(".json"):
            counted = len(json.loads(text))
        elif path.endswith(".yaml"):
            counted = None
        else:
            counted = len(text.splitlines())
        assert entry["records"] == counted, path


def test_every_signature_is_of_the_exact_body() -> None:
    checked = 0
    for path in (SAMPLE / "e2b" / "webhooks").rglob("*.ndjson*"):
        for line in text_of(path).splitlines():
            try:
                capture = json.loads(line)
            except json.JSONDecodeError:
                continue
            digest = hashlib.sha256((WEBHOOK_SECRET + capture["body"]).encode()).digest()
            signature = capture["headers"]["e2b-signature"]
            assert len(signature) == 43
            assert base64.b64decode(signature + "=") == digest
            checked += 1
    assert checked > 3000


# --- oddities -----------------------------------------------------------------------------------


def test_every_oddity_is_there(truth: dict[str, Any]) -> None:
    assert {o["kind"] for o in truth["oddities"]} == ODDITIES
    everything = "".join(text_of(p) for p in SAMPLE.rglob("*") if p.is_file())
    for oddity in truth["oddities"]:
        record = oddity["record"]
        assert record in truth["files"] or record in everything, oddity


def test_bad_records_are_bad(truth: dict[str, Any]) -> None:
    bad = {
        (entry["reason"], path): text_of(SAMPLE / path).splitlines()
        for path, file in truth["files"].items()
        for entry in file["quarantined"]
    }
    assert Counter(reason for reason, _ in bad) == {
        "truncated_json": 1,
        "timestamp_without_zone": 3,
        "wrong_typed_memory": 1,
    }
    for path, file in truth["files"].items():
        for entry in file["quarantined"]:
            number = entry["record_number"] + (1 if path.endswith(".csv") else 0)
            with pytest.raises((ValueError, TypeError)):
                parse_alone(path, text_of(SAMPLE / path).splitlines()[number - 1])


def parse_alone(path: str, line: str) -> None:
    """Raise if a record cannot be understood."""
    if path.startswith("e2b/"):
        at(json.loads(json.loads(line)["body"])["timestamp"])
    elif path.startswith("opencomputer/"):
        row = json.loads(line)
        at(row["startedAt"])
        int(row["memoryMB"])
    else:
        at(next(csv.reader([line]))[4])


def test_deliveries_repeat_come_late_and_out_of_order() -> None:
    deliveries: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    received: dict[tuple[str, str], datetime] = {}
    late = Counter[str]()
    for when, event, delivery in captures():
        deliveries[event["id"]].append((when, delivery))
        kind = "end" if "execution" in event.get("event_data", {}) else event["type"]
        received.setdefault((event["sandbox_execution_id"], kind), when)
        if when - at(event["timestamp"]) > timedelta(days=2):
            late["days"] += 1
        if at(event["timestamp"]) < at("2026-09-01T00:00:00Z") and when > at(
            "2026-09-02T06:00:00Z"
        ):
            late["after month end"] += 1
    repeated = [d for d in deliveries.values() if len(d) > 1]
    assert len(repeated) > 50
    assert max(len(d) for d in repeated) == 3
    assert all(len({delivery for _, delivery in d}) == len(d) for d in repeated)
    assert late["days"] >= 5
    assert late["after month end"] >= 4
    backwards = [
        execution
        for (execution, kind), when in received.items()
        if kind == "end" and received.get((execution, "sandbox.lifecycle.created"), when) > when
    ]
    assert len(backwards) >= 5


def test_the_poll_repeats_pushes_and_the_dump_fills_a_gap() -> None:
    pushed = {event["id"] for _, event, _ in captures()}
    polled = json.loads(text_of(SAMPLE / "e2b/polls/events-sandboxes-2026-08-06.json"))
    dumped = table("e2b/table_dump/sandbox_events-2026-08-19.csv")
    assert polled
    assert {event["id"] for event in polled} <= pushed
    assert any(event["eventData"] is None for event in polled)
    assert dumped
    assert not {row["id"] for row in dumped} & pushed
    assert any(row["event_data"] == "null" for row in dumped)


def test_scale_rows_open_in_one_dump_are_closed_in_a_later_one() -> None:
    seen: dict[str, list[bool]] = defaultdict(list)
    for row in scale_rows():
        seen[row["id"]].append("endedAt" in row)
    assert any(states[0] is False and states[-1] is True for states in seen.values())
    assert any(states.count(True) > 1 for states in seen.values())
    assert any(not any(states) for states in seen.values())


# --- what the files say is what the truth says --------------------------------------------------


def captures() -> Iterator[tuple[datetime, dict[str, Any], str]]:
    """(received, event, delivery id) of every readable webhook capture, as received."""
    for path in sorted((SAMPLE / "e2b" / "webhooks").rglob("*.ndjson*")):
        for line in text_of(path).splitlines():
            try:
                capture = json.loads(line)
                event = json.loads(capture["body"])
                at(event["timestamp"])
            except ValueError:
                continue
            yield at(capture["received_at"]), event, capture["headers"]["e2b-delivery-id"]


def scale_rows() -> Iterator[dict[str, Any]]:
    for path in sorted((SAMPLE / "opencomputer" / "scale_events").iterdir()):
        for line in text_of(path).splitlines():
            yield json.loads(line)


def e2b_events() -> list[dict[str, Any]]:
    """Every event once, snake_case, by time."""
    found = {event["id"]: event for _, event, _ in captures()}
    for event in json.loads(text_of(SAMPLE / "e2b/polls/events-sandboxes-2026-08-06.json")):
        found.setdefault(
            event["id"],
            {
                "sandbox_execution_id": event["sandboxExecutionId"],
                "event_data": event["eventData"] or {},
            }
            | event,
        )
    for row in table("e2b/table_dump/sandbox_events-2026-08-19.csv"):
        found[row["id"]] = row | {"event_data": json.loads(row["event_data"]) or {}}
    return sorted(found.values(), key=lambda e: (at(e["timestamp"]), e["id"]))


Span = tuple[str, str, list[tuple[str, str]], datetime, datetime, Decimal, int, int, int]


def read_e2b() -> list[Span]:
    """(provider, resource, references, start, end, vcpu, MiB, disk, gpu) of every E2B run."""
    runs: dict[str, dict[str, Any]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for event in e2b_events():
        run = runs.setdefault(event["sandbox_execution_id"], {"timeouts": [], "event": event})
        data, when = event.get("event_data", {}), at(event["timestamp"])
        kind = event["type"].rsplit(".", 1)[1]
        if kind in ("created", "resumed"):
            run["start"] = when
        elif kind == "checkpointed":
            run["checkpoint"] = True
        elif "set_timeout" in data:
            run["timeouts"].append(at(data["set_timeout"]))
        if "execution" in data:
            run["end"], run["ms"] = when, data["execution"]["execution_time"]
            size = data["execution"]["vcpu_count"], data["execution"]["memory_mb"]
            sizes[event["sandbox_template_id"]] = run["size"] = size
    spans: list[Span] = []
    starts: dict[str, list[datetime]] = defaultdict(list)
    for run in runs.values():
        starts[run["event"]["sandbox_id"]].append(run["start"])
    for run in runs.values():
        event = run["event"]
        if "end" in run and "checkpoint" not in run:
            start, end = run["end"] - timedelta(milliseconds=run["ms"]), run["end"]
        elif "end" in run:
            start, end = run["start"], run["end"]
        else:
            start = run["start"]
            later = [other for other in starts[event["sandbox_id"]] if other > start]
            end = min([*later, *run["timeouts"][-1:], start + timedelta(days=1), AS_OF])
        metadata = event.get("event_data", {}).get("sandbox_metadata", {})
        references = [(f"metadata:{key}", value) for key, value in sorted(metadata.items())]
        vcpu, memory = run.get("size", sizes[event["sandbox_template_id"]])
        resource, team = event["sandbox_id"], event["sandbox_team_id"]
        references.append(("account", team))
        spans.append(("e2b", resource, references, start, end, Decimal(vcpu), memory, 0, 0))
    return spans


def read_opencomputer() -> list[Span]:
    rows: dict[str, dict[str, Any]] = {}
    for row in scale_rows():
        if isinstance(row["memoryMB"], int) and row["startedAt"][-6:].strip("0123456789:"):
            rows[row["id"]] = row
    tiers = {1024: 1, 4096: 1, 8192: 2, 16384: 4, 32768: 8, 65536: 16}
    spans: list[Span] = []
    for row in rows.values():
        start = at(row["startedAt"])
        end = max(start, at(row["endedAt"])) if "endedAt" in row else AS_OF
        vcpu = Decimal(tiers.get(row["memoryMB"], 0)) or Decimal(row["cpuPercent"]) / 100
        references = [("account", row["orgId"])]
        resource = f"{row['orgId']}/{row['sandboxId']}"
        disk = row.get("diskMB", 20480)
        spans.append(
            ("opencomputer", resource, references, start, end, vcpu, row["memoryMB"], disk, 0)
        )
    return spans


def read_fleet() -> list[Span]:
    rows: dict[str, dict[str, str]] = {}
    for path in sorted((SAMPLE / "intervals").iterdir()):
        for row in table(f"intervals/{path.name}"):
            if row["started_at"].endswith("Z"):
                rows[row["record_id"]] = row
    return [
        (
            "foundry",
            f"{row['account_ref']}/{row['resource_id']}",
            [("account", row["account_ref"])],
            at(row["started_at"]),
            at(row["ended_at"]) if row["ended_at"] else AS_OF,
            Decimal(row["vcpu"]),
            int(row["memory_mib"]),
            int(row["disk_mib"]),
            int(row["gpu"]),
        )
        for row in rows.values()
    ]


def read_daytona() -> list[Span]:
    """Each period as the last dump that has it tells it; GB are GiB."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((SAMPLE / "daytona" / "usage_periods").iterdir()):
        for row in table(f"daytona/usage_periods/{path.name}"):
            rows[row["sandboxId"], row["startAt"]] = row
    return [
        (
            "daytona",
            f"{row['organizationId']}/{row['sandboxId']}",
            [("account", row["organizationId"])],
            at(row["startAt"]),
            at(row["endAt"]) if row["endAt"] else AS_OF,
            Decimal(row["cpu"]),
            int(row["mem"]) * 1024,
            int(row["disk"]) * 1024,
            int(row["gpu"]),
        )
        for row in rows.values()
    ]


def turns() -> Iterator[tuple[str, datetime, int]]:
    """(account, time, tokens) of each agent's turn that counts: once, and not if it is voided."""
    voided = {row["record_id"] for row in table("corrections.csv") if row["action"] == "void"}
    lines = text_of(SAMPLE / "cloudevents" / "agents.ndjson").splitlines()
    assert len(lines) == len(set(lines)) + 1
    for event in {turn["id"]: turn for turn in map(json.loads, lines)}.values():
        if event["id"] not in voided:
            yield event["subject"], at(event["time"]), event["data"]["tokens"]


def levels() -> Iterator[tuple[str, datetime, datetime, int]]:
    """(account, from, to, bytes) of each stored level; the last one lasts until now."""
    rows = table("gauges/sessions.csv")
    ends = [*(at(row["sampled_at"]) for row in rows[1:]), AS_OF]
    for row, end in zip(rows, ends, strict=True):
        yield row["account_ref"], at(row["sampled_at"]), end, int(row["bytes"])


def without_overlaps(spans: list[Span]) -> list[Span]:
    groups: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        groups[span[0], span[1]].append(span)
    found: list[Span] = []
    for group in groups.values():
        group.sort(key=lambda s: (s[3], s[4]))
        for index, span in enumerate(group):
            following = group[index + 1][3] if index + 1 < len(group) else span[4]
            found.append((*span[:4], max(span[3], min(span[4], following)), *span[5:]))
    return found


def account_of(links: list[dict[str, str]], accounts: set[str], span: Span, when: datetime) -> str:
    for key, value in span[2]:
        for link in links:
            if (
                (link["provider"], link["match_key"], link["match_value"]) == (span[0], key, value)
                and (not link["valid_from"] or at(link["valid_from"]) <= when)
                and (not link["valid_to"] or when < at(link["valid_to"]))
            ):
                return link["account_id"]
        if value in accounts:
            return value
    return "unattributed"


def test_usage_read_from_the_files_is_the_truth(truth: dict[str, Any]) -> None:
    links = table("account_links.csv")
    zones = {a["account_id"]: ZoneInfo(a["timezone"]) for a in table("accounts.csv")}
    edges = {at(k[f]) for k in links for f in ("valid_from", "valid_to") if k[f]}
    totals: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    spans = read_e2b() + read_opencomputer() + read_fleet() + read_daytona()
    for span in without_overlaps(spans):
        cuts = sorted({span[3], span[4]} | {edge for edge in edges if span[3] < edge < span[4]})
        for start, end in pairwise(cuts):
            account = account_of(links, set(zones), span, start)
            for month, micros in by_month(zones.get(account, ZoneInfo("UTC")), start, end):
                vcpu, memory, disk, gpu = span[5:]
                seconds = Decimal(micros) / 1_000_000
                for measure, factor in (
                    ("seconds", Decimal(1 if vcpu or memory or gpu else 0)),
                    ("cpu_core_seconds", vcpu),
                    ("ram_gibi_seconds", Decimal(memory) / 1024),
                    ("ssd_gibi_seconds", Decimal(disk) / 1024),
                    ("gpu_core_seconds", Decimal(gpu)),
                ):
                    totals[account, month, measure] += seconds * factor
    for path in sorted((SAMPLE / "quantities").iterdir()):
        for row in table(f"quantities/{path.name}"):
            month = at(row["started_at"]).astimezone(zones[row["account_ref"]]).strftime("%Y-%m")
            totals[row["account_ref"], month, row["meter_id"]] += Decimal(row["quantity"])
    for account, when, tokens in turns():
        totals[account, f"{when:%Y-%m}", "agent_tokens"] += tokens
    for account, start, end, stored in levels():
        for month, micros in by_month(zones[account], start, end):
            totals[account, month, "session_storage"] += (
                Decimal(stored * micros) / 2**30 / 1_000_000
            )
    expected = {
        (row["account_id"], row["month"], row["measure"]): Decimal(row["quantity"])
        for row in truth["usage"]
    }
    assert {key: total for key, total in totals.items() if total} == expected


def by_month(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[str, int]]:
    """The microseconds of [start, end) in each calendar month of a zone."""
    while start < end:
        local = start.astimezone(zone)
        year, month = (local.year, local.month + 1) if local.month < 12 else (local.year + 1, 1)
        until = min(end, datetime(year, month, 1, tzinfo=zone).astimezone(UTC))
        yield local.strftime("%Y-%m"), (until - start) // MICROSECOND
        start = until


def test_the_usage_api_agrees_with_the_periods() -> None:
    """Daytona's totals are those of its periods, cut at the window, and its bill's."""
    answers = [
        json.loads(line)
        for line in text_of(SAMPLE / "daytona/usage_polls/aggregated.ndjson").splitlines()
    ]
    assert len(answers) == 2
    for answer in answers:
        totals = [Decimal(0)] * 3
        for _, _, _, start, end, *sizes in read_daytona():
            window = max(start, at(answer["from"])), min(end, at(answer["to"]))
            micros = max(timedelta(0), window[1] - window[0]) // MICROSECOND
            cpu, memory, disk, _ = sizes
            for index, size in enumerate((cpu, Decimal(memory) / 1024, Decimal(disk) / 1024)):
                totals[index] += size * micros / 1_000_000
        names = ("totalCPUSeconds", "totalRAMGBSeconds", "totalDiskGBSeconds")
        assert [answer["response"][name] for name in names] == totals
        assert all(totals)


# --- Stripe -------------------------------------------------------------------------------------


def test_eight_discrepancies_each_in_its_own_account(truth: dict[str, Any]) -> None:
    planted = truth["discrepancies"]
    assert {d["cause"]: d["leg"] for d in planted} == CAUSES
    assert len({d["account_id"] for d in planted}) == len(planted) == 8
    assert {d["month"] for d in planted} == {"2026-08"}
    for difference in planted:
        assert difference["amount_delta_minor"] != 0, difference
        assert (Decimal(difference["quantity_delta"]) == 0) == (
            difference["cause"] == "price_not_in_force"
        )


def test_stripe_agrees_with_the_truth_except_for_the_eight(truth: dict[str, Any]) -> None:
    planted = {
        (d["account_id"], d["stripe_event_name"], d["period_start"]): d
        for d in truth["discrepancies"]
    }
    customers = {c["id"]: c["metadata"]["account_id"] for c in objects("customers")}
    names = {m["id"]: m["event_name"] for m in objects("meters")}
    expected: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for statement in truth["statements"]:
        if statement["account_id"] in customers.values():
            for line in statement["lines"]:
                key = statement["account_id"], line["stripe_event_name"], statement["period_start"]
                expected[key] += Decimal(line["quantity"])
    seen: dict[tuple[str, str, str], Decimal] = {}
    for summary in objects("meter_event_summaries"):
        assert summary["start_time"] % 60 == summary["end_time"] % 60 == 0
        start = datetime.fromtimestamp(summary["start_time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = customers[summary["customer"]], names[summary["meter"]], start
        assert key not in seen
        seen[key] = Decimal(str(summary["aggregated_value"]))
    assert set(seen) == set(expected)
    for key, value in seen.items():
        plant = planted.get(key)
        wrong = plant is not None and plant["leg"] == "pushed_meter"
        delta = Decimal(plant["quantity_delta"]) if plant and wrong else Decimal(0)
        assert abs(value - expected[key] - delta) < Decimal("0.000001"), key


def test_invoices_add_up_and_differ_only_where_planted(truth: dict[str, Any]) -> None:
    prices = {p["id"]: p for p in objects("prices")}
    invoices = {i["id"]: i for i in objects("invoices")}
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in objects("invoice_line_items"):
        lines[line["invoice"]].append(line)
    by_statement = {(s["subscription_id"], s["period_end"]): s for s in truth["statements"]}
    planted = {d["account_id"]: d for d in truth["discrepancies"]}
    found = Counter[str]()
    for invoice in invoices.values():
        own = lines[invoice["id"]]
        assert invoice["subtotal"] == sum(line["amount"] for line in own)
        credited = sum(c["amount"] for c in invoice["total_pretax_credit_amounts"])
        assert invoice["total"] == invoice["subtotal"] - credited >= 0
        assert credited == sum(c["amount"] for i in own for c in i["pretax_credit_amounts"])
        end = datetime.fromtimestamp(invoice["period_end"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        subscription = invoice["parent"]["subscription_details"]["subscription"]
        statement = by_statement[subscription, end]
        usage = [i for i in own if i["pricing"] and metered(prices, i)]
        assert len(usage) == len(statement["lines"])
        for line, true in zip(usage, statement["lines"], strict=True):
            price = prices[line["pricing"]["price_details"]["price"]]["metadata"]
            difference = line["amount"] - true["amount_minor"]
            quantity = Decimal(line["quantity_decimal"]) - Decimal(true["quantity"])
            if price["plan_version"] != true["plan_version"]:
                found["price"] += 1
            if difference or abs(quantity) > Decimal("0.000001"):
                plant = planted[statement["account_id"]]
                assert plant["period_end"] == end
                assert plant["stripe_event_name"] == true["stripe_event_name"]
                found[plant["cause"]] += difference
    assert found.pop("price") == 1
    assert found == {d["cause"]: d["amount_delta_minor"] for d in truth["discrepancies"]}


def metered(prices: dict[str, dict[str, Any]], line: dict[str, Any]) -> bool:
    price = prices[line["pricing"]["price_details"]["price"]]
    return bool(price["recurring"]["meter"])


def test_every_used_size_has_a_charge_except_the_off_tier_one(truth: dict[str, Any]) -> None:
    plans = {
        p["plan_id"]: p for p in yaml.safe_load(text_of(SAMPLE / "pricebook/plans.yaml"))["plans"]
    }
    subscribed: dict[str, set[str]] = defaultdict(set)
    for subscription in table("subscriptions.csv"):
        subscribed[subscription["account_id"]].add(subscription["plan_id"])
    without: set[int] = set()
    for row in truth["usage"]:
        if row["measure"] != "seconds" or row["account_id"] == "unattributed":
            continue
        # The other plans have prices for every size.
        for plan_id in subscribed[row["account_id"]] & {"free", "pro", "pro_eur"}:
            charges = plans[plan_id]["versions"][-1]["charges"]
            priced = {c["where"]["memory_mib"] for c in charges if "where" in c}
            without |= {size["memory_mib"] for size in row["by_size"]} - priced
    assert without == {2048}
