"""Mistakes of an earlier meter of the same events, each with the proof that this one is free of it.

| defect | what went wrong there | test |
|---|---|---|
| A1 | E2B signatures checked as HMAC in hex: every real delivery refused | `test_a1_...` |
| A2 | fields read at the top level: nothing metered | `test_a2_...` |
| A3 | event names without `.lifecycle.`: nothing recognised | `test_a3_...` |
| A4 | the E2B team taken for the customer: all customers one | `test_a4_...` |
| A5 | deduplication by delivery id, claimed before the writes | `test_a5_...` |
| A6 | the total of a polled window added at each poll | `test_a6_...` |
| A7 | 10^9 / 2^30 applied to GB that are GiB: 6.87 % too little | `test_a7_...` |
| A8 | each event rounded up to whole units | `test_a8_...` |
| A9 | a failed listing of one project lowered the gauge | `test_a9_...` |

All that needs a build lives in one landing zone, each case with an account of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from world import Cases, Row, World, capture, e2b, meters, period, poll, utc

from ingest import landing as landing_module
from ingest.landing import load_landing
from ingest.sources.e2b import check_signature
from ingest.warehouse import connect

pytestmark = pytest.mark.integration

AS_OF = "2026-09-02T00:00:00Z"
GIB = 2**30
CPU, RAM, DISK = (
    "sandbox_cpu_core_seconds",
    "sandbox_ram_gibi_seconds",
    "sandbox_ssd_gibi_seconds",
)
STORED = {"meter_id": "stored", "source": "storage", "measure": "gibi_seconds", "unit": "GiB-s"}

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    world.meters = [*meters(), STORED]
    CASES.tell(world)
    world.build(AS_OF)
    return world


# --- A1 -----------------------------------------------------------------------------------------

SECRET = "whsec_example"
BODY = (
    '{"id":"6f0a3c1e-4c1d-4b7a-9a6e-2f1d0c9b8a77","version":"v2","type":"sandbox.lifecycle.killed"}'
)
# From a shell: printf '%s' "$SECRET$BODY" | openssl dgst -sha256 -binary | base64
SIGNATURE = "mruRVtFiBbLE7I/WLJUU8EJX8KQxwhSQPhd5Y+n3mwo="


@pytest.mark.parametrize("padding", ["", "="], ids=["bare", "padded"])
@pytest.mark.parametrize("alphabet", ["+/", "-_"], ids=["standard", "url"])
def test_a1_a_signature_is_base64_of_a_plain_sha256(alphabet: str, padding: str) -> None:
    """Of the secret and the exact body, in either alphabet, padded or not."""
    signature = SIGNATURE.rstrip("=").translate(str.maketrans("+/", alphabet)) + padding
    assert check_signature(signature, BODY, SECRET) == "verified"


def _refused() -> dict[str, str]:
    digest = hashlib.sha256((SECRET + BODY).encode())
    keyed = hmac.new(SECRET.encode(), BODY.encode(), "sha256")
    return {
        "HMAC in hex": keyed.hexdigest(),
        "HMAC in base64": base64.b64encode(keyed.digest()).decode(),
        "the right hash in hex": digest.hexdigest(),
        "cut": SIGNATURE[:-2],
        "of another secret": base64.b64encode(hashlib.sha256(BODY.encode()).digest()).decode(),
        "no base64": "sha256=é",
    }


@pytest.mark.parametrize("kind", sorted(_refused()))
def test_a1_anything_else_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="signature does not match the body"):
        check_signature(_refused()[kind], BODY, SECRET)


def test_a1_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole digest is compared by the function that takes the same time for any difference."""
    compared: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert check_signature(SIGNATURE, BODY, SECRET) == "verified"
    assert compared == [(32, 32)]


# --- A2, A3 -------------------------------------------------------------------------------------


@written
def _nested(world: World) -> None:
    world.account("nested")
    event = {
        "id": "nested-1",
        "version": "v2",
        "type": "sandbox.lifecycle.paused",
        "timestamp": "2026-08-01T10:10:00.900412Z",
        "event_category": "lifecycle",
        "event_label": "pause",
        "event_data": {
            "sandbox_metadata": {"customer": "nested"},
            "execution": {
                "started_at": "2026-08-01T10:00:00Z",
                "vcpu_count": 2,
                "memory_mb": 512,
                "execution_time": 600_400,
            },
        },
        "sandbox_id": "sb-nested",
        "sandbox_execution_id": "run-1",
        "sandbox_template_id": "base",
        "sandbox_build_id": "",
        "sandbox_team_id": "team-1",
        "events_ttl_days": 7,
        # What the earlier meter read instead.
        "event": "sandbox.killed",
        "team_id": "flat",
        "vcpu": 64,
        "memory_mb": 65_536,
        "duration_ms": 1,
    }
    world.write("e2b/nested.ndjson", [capture(event, "2026-08-01T10:10:02Z")])


def test_a2_sizes_and_times_are_read_where_they_stand(built: World) -> None:
    # 600400 ms x 2 vCPU = 1200.8 core-s; 600.4 s x 512 MiB = 600.4 x 0.5 GiB = 300.2 GiB-s.
    assert built.usage("nested") == Decimal("600.4")
    assert built.usage("nested", CPU) == Decimal("1200.8")
    assert built.usage("nested", RAM) == Decimal("300.2")


@written
def _names(world: World) -> None:
    world.account("names")
    short = e2b("killed", "2026-08-03T12:00:00Z", "sb-short", customer="names", ran_ms=60_000)
    world.write(
        "e2b/names.ndjson",
        [
            e2b("created", "2026-08-03T10:00:00Z", "sb-names", "a", customer="names"),
            e2b("checkpointed", "2026-08-03T10:01:00Z", "sb-names", "a"),
            e2b("updated", "2026-08-03T10:02:00Z", "sb-names", "a"),
            e2b("paused", "2026-08-03T10:05:00Z", "sb-names", "a", ran_ms=240_000),
            e2b("resumed", "2026-08-03T11:00:00Z", "sb-names", "b", customer="names"),
            e2b("killed", "2026-08-03T11:10:00Z", "sb-names", "b", ran_ms=600_000),
            short | {"type": "sandbox.killed"},
        ],
    )


def test_a3_events_have_their_real_names(built: World) -> None:
    """All six of `sandbox.lifecycle.`; a checkpoint has no execution and ends nothing."""
    # 10:00 to 10:05 = 300 s, not the 240 s since the checkpoint; 11:00 to 11:10 = 600 s.
    assert [run["seconds"] for run in built.intervals("sb-names")] == [300, 600]
    assert built.usage("names") == 900
    assert built.dispositions("e2b/names.ndjson")["quarantined"] == 1
    [reason] = [row["reason"] for row in built.quarantine() if row["file"] == "e2b/names.ndjson"]
    assert reason == "unknown event type 'sandbox.killed'"


# --- A4 -----------------------------------------------------------------------------------------


@written
def _one_team(world: World) -> None:
    for name in ("north", "south"):
        world.account(name)
    at = "2026-08-03T10:00:00Z"
    world.write(
        "e2b/one-team.ndjson",
        [
            e2b("killed", at, "sb-north", customer="north", team="platform", ran_ms=10_000),
            e2b("killed", at, "sb-south", customer="south", team="platform", ran_ms=20_000),
            e2b("killed", at, "sb-nameless", team="platform", ran_ms=40_000),
        ],
    )


def test_a4_the_team_of_the_platform_is_not_the_customer(built: World) -> None:
    # One team, two customers: 10 s and 20 s. The 40 s of nobody are nobody's, and kept.
    assert (built.usage("north"), built.usage("south")) == (10, 20)
    assert built.dispositions("e2b/one-team.ndjson") == {"billed": 2, "unattributed": 1}
    [run] = built.intervals("sb-nameless")
    assert (run["account_id"], run["seconds"]) == ("unattributed", 40)


# --- A5 -----------------------------------------------------------------------------------------


@written
def _delivered(world: World) -> None:
    world.account("delivered")
    at = "2026-08-03T10:00:00Z"
    first = e2b("killed", at, "sb-d1", customer="delivered", ran_ms=60_000)
    second = e2b("killed", at, "sb-d2", customer="delivered", ran_ms=30_000)
    world.write(
        "e2b/delivered.ndjson",
        [
            capture(first, "2026-08-03T10:00:01Z", "d-1"),
            capture(first, "2026-08-03T10:00:11Z", "d-2"),
            # Another event under a delivery id that was seen: it is another event all the same.
            capture(second, "2026-08-03T10:00:12Z", "d-1"),
        ],
    )


def test_a5_a_retry_counts_once_and_a_delivery_id_decides_nothing(built: World) -> None:
    # 60 s once, under two delivery ids; 30 s, under an id that repeats.
    assert built.usage("delivered") == 90
    assert built.dispositions("e2b/delivered.ndjson") == {"billed": 2, "duplicate": 1}


def test_a5_a_crash_after_the_claim_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What notes a file as loaded and what it holds are one transaction."""
    world.account("crashed")
    end = e2b("killed", "2026-08-03T10:00:00Z", "sb-c", customer="crashed", ran_ms=60_000)
    world.write("e2b/crashed.ndjson", [capture(end, "2026-08-03T10:00:01Z")])
    world.write_references()
    settings = world.settings(utc(AS_OF))
    noted = landing_module._note_loads

    def crash(*arguments: Any) -> Any:
        noted(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(landing_module, "_note_loads", crash)
        con = connect(settings)
        with pytest.raises(KeyboardInterrupt):
            load_landing(con, settings)
        con.close()
    world.build(AS_OF)
    assert world.usage("crashed") == 60


# --- A6, A7 -------------------------------------------------------------------------------------


@written
def _polled(world: World) -> None:
    world.account("polled")
    window = ("2026-08-04T00:00:00Z", "2026-08-05T00:00:00Z")
    answers = [(100, "05T00:10"), (120, "05T06:10"), (120, "05T12:10")]
    for number, (cpu, fetched) in enumerate(answers):
        answer = poll("polled", *window, f"2026-08-{fetched}:00Z", CPU=cpu, RAMGB=14_400)
        world.write(f"daytona/usage_polls/a6-{number}.json", [answer])


def test_a6_a_window_polled_again_is_replaced(built: World) -> None:
    # 100, then 120, then 120 again of one window is 120, not 340.
    assert built.usage("polled", CPU) == 120


@written
def _gigabytes(world: World) -> None:
    world.account("gigabytes")
    at = ("2026-08-03T10:00:00Z", "2026-08-03T11:00:00Z")
    row = period("gigabytes", "d-gb", *at, cpu=2, mem=4, disk=8)
    world.write("daytona/usage_periods/gigabytes.csv", [row])


def test_a7_a_gb_of_daytona_is_a_gib(built: World) -> None:
    # Polled: 14400 GB-s = 14400 GiB-s, not 14400 x 0.9313225746 = 13411.045.
    assert built.usage("polled", RAM) == 14_400
    # Periods: 4 GB x 3600 s = 14400 GiB-s; 8 GB x 3600 s = 28800 GiB-s.
    assert built.usage("gigabytes", RAM) == 14_400
    assert built.usage("gigabytes", DISK) == 28_800


# --- A8 -----------------------------------------------------------------------------------------


@written
def _tiny(world: World) -> None:
    for name, count in (("tiny", 1), ("many", 1000)):
        world.account(name)
        events = [
            e2b(
                "killed",
                f"2026-08-03T10:{number // 60:02}:{number % 60:02}Z",
                f"sb-{name}-{number}",
                customer=name,
                ran_ms=1,
                vcpu=1,
                memory_mib=128,
            )
            for number in range(count)
        ]
        world.write(f"e2b/{name}.ndjson", events)


def test_a8_nothing_is_rounded_by_event(built: World) -> None:
    # 0.001 s x 128 / 1024 GiB = 0.000125 GiB-s, not 1; 0.001 s x 1 = 0.001 core-s, not 1.
    assert built.usage("tiny", RAM) == Decimal("0.000125")
    assert built.usage("tiny", CPU) == Decimal("0.001")
    # A thousand of them are a thousand times that: 0.125 GiB-s and 1 core-s, not 1000 of each.
    assert built.usage("many", RAM) == Decimal("0.125")
    assert built.usage("many", CPU) == 1
    # A cent each: 0.125 cents are rounded once, on the line, to none; the core-second is 1 cent.
    amounts = {line["meter_id"]: line["amount_minor"] for line in built.lines("many")}
    assert (amounts[RAM], amounts[CPU]) == (0, 1)


# --- A9 -----------------------------------------------------------------------------------------


def _listing(hour: int, prefix: str, sizes: dict[str, int], **more: Any) -> Row:
    """A listing of the bucket `shared` at an hour of 3 August."""
    head = {"sampled_at": f"2026-08-03T{hour:02}:00:00Z", "bucket": "shared", "prefix": prefix}
    contents = [{"Key": f"mounts/{project}/m/a", "Size": size} for project, size in sizes.items()]
    return head | {"complete": True, "Contents": contents} | more


@written
def _listed(world: World) -> None:
    for name in ("failing", "listed"):
        world.account(name)
    both = {"failing": 2 * GIB, "listed": GIB}
    one = {"listed": GIB}
    world.write(
        "storage/listings/a9.jsonl",
        [
            _listing(0, "mounts/", both),
            # Cut off, refused by itself, and of the other project only: none says that it is gone.
            _listing(1, "mounts/", one, IsTruncated=True),
            _listing(2, "mounts/", one, complete=False),
            _listing(3, "mounts/listed/", one),
            _listing(4, "mounts/", both),
            _listing(5, "mounts/", {}),
        ],
    )


def test_a9_a_failed_listing_never_lowers_the_gauge(built: World) -> None:
    # 2 GiB x 5 h = 36000 GiB-s without a dip between 01:00 and 04:00; 1 GiB x 5 h = 18000 GiB-s.
    assert built.usage("failing", "stored") == 36_000
    assert built.usage("listed", "stored") == 18_000
    hours = built.query(
        "select distinct quantity from marts.fct_usage_hourly"
        " where account_id = 'failing' and meter_id = 'stored'"
    )
    assert [row["quantity"] for row in hours] == [7200]
    file = "storage/listings/a9.jsonl"
    assert built.dispositions(file)["quarantined"] == 2
    reasons = [row["reason"] for row in built.quarantine() if row["file"] == file]
    assert all("the listing" in reason for reason in reasons)
