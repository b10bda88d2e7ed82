"""Stored bytes from samples to charges, each case with its expected figure worked out.

All cases live in one landing zone, each with an account of its own, and are built once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from world import START, Cases, World, charge, meters, plan, version

pytestmark = pytest.mark.integration

AS_OF = "2026-08-20T00:00:00Z"
GIB = 2**30
HOUR = Decimal(3600)
DAY = 24 * HOUR

Row = dict[str, Any]
CASES = Cases()
written = CASES.written


def storage_meters() -> list[Row]:
    """The two meters of storage."""
    return [
        {
            "meter_id": f"storage_{measure}",
            "source": "storage",
            "measure": measure,
            "unit": measure,
            "stripe_event_name": f"storage_{measure}",
        }
        for measure in ("gibi_seconds", "bytes")
    ]


def prepare(world: World) -> World:
    """A world whose plan charges a cent a GiB-second."""
    world.meters = meters() + storage_meters()
    world.plans = [
        plan("payg", version(START, [charge("stored", "storage_gibi_seconds")])),
        plan(
            "repriced",
            version(START, [charge("stored", "storage_gibi_seconds")]),
            version("2026-08-03T00:20:00Z", [charge("stored", "storage_gibi_seconds", "0.02")]),
            version("2026-08-03T00:40:00Z", [charge("stored", "storage_gibi_seconds", "0.03")]),
        ),
    ]
    return world


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = prepare(new_world())
    CASES.tell(world)
    world.build(AS_OF)
    return world


def gauge(account: str, at: str, size: int, resource: str = "r1", **more: Any) -> Row:
    """A row of `gauges/`."""
    return {"sampled_at": at, "account_ref": account, "resource_id": resource, "bytes": size} | more


def listing(
    bucket: str, at: str, sizes: dict[str, int], prefix: str = "mounts/", **more: Any
) -> Row:
    """A whole listing of a bucket, its objects by key."""
    contents = [{"Key": key, "Size": size} for key, size in sizes.items()]
    head = {"sampled_at": at, "bucket": bucket, "prefix": prefix, "complete": True}
    return head | ({"Contents": contents} if contents else {}) | more


def project(world: World, account: str) -> None:
    """An account with the project `p-<account>`."""
    world.account(account)
    world.link("e2b", "project", f"p-{account}", account)


def stored(world: World, account: str, measure: str = "gibi_seconds") -> Decimal:
    """The total of one measure of one account."""
    return world.usage(account, f"storage_{measure}")


def inferred(world: World, account: str) -> Decimal:
    """The GiB-seconds of an account that no two samples enclose."""
    value = world.value(
        "select coalesce(sum(inferred_quantity), 0) from marts.fct_usage_hourly"
        " where account_id = ? and meter_id = 'storage_gibi_seconds'",
        account,
    )
    assert isinstance(value, Decimal)
    return value


def issues(world: World, account: str) -> list[str]:
    """What a person should know about the levels of an account."""
    rows = world.query("select issue from marts.fct_usage_issues where account_id = ?", account)
    return [row["issue"] for row in rows]


# --- Gauges -----------------------------------------------------------------------------------


@written
def _steps(world: World) -> None:
    world.account("steps")
    world.write(
        "gauges/steps.csv",
        [
            gauge("steps", "2026-08-03T00:00:00Z", GIB),
            gauge("steps", "2026-08-03T12:30:00.5Z", 3 * GIB),
            gauge("steps", "2026-08-04T00:00:00Z", 0),
        ],
    )


def test_a_level_holds_until_the_next(built: World) -> None:
    """Each level from its own sample to the next; nothing before the first."""
    # 1 GiB x 45000.5 s + 3 GiB x (86400 - 45000.5) s = 45000.5 + 124198.5 = 169199 GiB-s.
    assert stored(built, "steps") == 169_199
    assert stored(built, "steps", "bytes") == 169_199 * GIB
    days = built.query(
        "select usage_date::varchar as day, quantity from marts.fct_usage_daily"
        " where account_id = 'steps' and meter_id = 'storage_gibi_seconds'"
    )
    assert days == [{"day": "2026-08-03", "quantity": Decimal(169_199)}]
    assert inferred(built, "steps") == 0
    lines = built.lines("steps", charge_class="usage")
    assert [(line["quantity"], line["amount_minor"]) for line in lines] == [(169_199, 169_199)]
    assert built.dispositions("gauges/steps.csv") == {"billed": 3}


@written
def _last(world: World) -> None:
    world.account("recent")
    world.account("silent")
    world.write(
        "gauges/last.jsonl",
        [
            gauge("recent", "2026-08-18T12:00:00Z", GIB),
            gauge("silent", "2026-08-10T00:00:00Z", GIB),
        ],
    )


def test_the_last_level_holds_for_the_maximum_gap(built: World) -> None:
    """Up to the as-of, and for 48 hours at the most; then it is said, and not counted."""
    assert (stored(built, "recent"), inferred(built, "recent")) == (36 * HOUR, 36 * HOUR)
    assert (issues(built, "recent"), issues(built, "silent")) == ([], ["sample_too_old"])
    assert (stored(built, "silent"), inferred(built, "silent")) == (48 * HOUR, 48 * HOUR)


@written
def _gap(world: World) -> None:
    world.account("gap")
    world.write(
        "gauges/gap.jsonl",
        [gauge("gap", "2026-08-03T00:00:00Z", GIB), gauge("gap", "2026-08-08T00:00:00Z", 0)],
    )


def test_a_long_gap_between_two_samples_is_held_and_marked(built: World) -> None:
    """Five days: two are observed, what is beyond the maximum gap is inferred."""
    assert (stored(built, "gap"), inferred(built, "gap")) == (5 * DAY, 3 * DAY)
    assert issues(built, "gap") == ["samples_far_apart"]


@written
def _twice(world: World) -> None:
    world.account("twice")
    at = "2026-08-03T00:00:00Z"
    world.write(
        "gauges/twice.jsonl",
        [
            gauge("twice", at, 9 * GIB, fetched_at="2026-08-03T00:01:00Z"),
            gauge("twice", at, 2 * GIB, fetched_at="2026-08-03T00:02:00Z"),
            gauge("twice", at, 2 * GIB, fetched_at="2026-08-03T00:01:30Z"),
            gauge("twice", "2026-08-03T01:00:00Z", 4 * GIB),
            gauge("twice", "2026-08-03T01:00:00Z", 5 * GIB),
            gauge("twice", "2026-08-03T02:00:00Z", 0),
        ],
    )


def test_of_two_samples_at_one_time_the_newest_fetched_counts(built: World) -> None:
    """Without a time of fetching the larger one does; the others have their disposition."""
    assert stored(built, "twice") == 2 * HOUR + 5 * HOUR
    assert built.dispositions("gauges/twice.jsonl") == {
        "billed": 3,
        "duplicate": 1,
        "superseded": 2,
    }


@written
def _nobody(world: World) -> None:
    world.account("unsubscribed", plan_id=None)
    world.write(
        "gauges/nobody.jsonl",
        [
            gauge("a stranger", "2026-08-03T00:00:00Z", GIB),
            gauge("a stranger", "2026-08-03T01:00:00Z", 0),
            gauge("unsubscribed", "2026-08-03T00:00:00Z", GIB),
            gauge("unsubscribed", "2026-08-20T00:00:00Z", 0, fetched_at="2026-08-20T00:00:01Z"),
        ],
    )


def test_every_row_has_its_disposition(built: World) -> None:
    """Of no account, of no plan, and known only after the as-of."""
    assert built.dispositions("gauges/nobody.jsonl") == {
        "unattributed": 2,
        "not_billable": 1,
        "pending": 1,
    }
    assert stored(built, "unattributed") >= HOUR


@written
def _thirds(world: World) -> None:
    world.account("thirds", plan_id="repriced")
    world.write(
        "gauges/thirds.jsonl",
        [
            gauge("thirds", "2026-08-03T00:00:00Z", 1),
            gauge("thirds", "2026-08-03T01:00:00Z", 0),
        ],
    )


def test_an_hour_is_rounded_once_and_its_parts_add_up(built: World) -> None:
    """One byte for an hour, rated at three prices of twenty minutes each."""
    # 3600 / 2^30 = 0.00000335276126861572...: rounded to 16 places it ends in ...2686.
    assert stored(built, "thirds") == Decimal("0.0000033527612686")
    parts = built.query(
        "select plan_version, quantity from marts.fct_charges where account_id = 'thirds'"
        " and charge_class = 'usage' order by plan_version"
    )
    # Each third is 1200 / 2^30 = 0.00000111758708953857; a charge's quantity has 12 places.
    assert [row["quantity"] for row in parts] == [Decimal("0.000001117587")] * 3


# --- Listings ---------------------------------------------------------------------------------


@written
def _mounts(world: World) -> None:
    project(world, "mounted")
    world.account("itself")
    for hour, sizes in enumerate(
        [
            {"mounts/p-mounted/m1/a": GIB, "mounts/p-mounted/m2/b": GIB, "mounts/itself/m/a": GIB},
            {"mounts/itself/m/a": 3 * GIB, "mounts/p-nobody/m/a": GIB, "mounts/readme": 1},
            {},
        ]
    ):
        at = f"2026-08-03T0{hour}:00:00Z"
        world.write(f"storage/listings/mounts/{hour}.json", json.dumps(listing("main", at, sizes)))


def test_projects_of_a_bucket(built: World) -> None:
    """A project resolves through its link or is an account; absent means that it holds nothing."""
    assert stored(built, "mounted") == 2 * HOUR  # two objects for the first hour, then absent
    assert stored(built, "itself") == HOUR + 3 * HOUR
    # Nothing of no project at first; then the readme and a project of nobody; in the end nothing.
    assert built.dispositions("storage/listings/mounts/0.json") == {"billed": 2, "not_billable": 1}
    assert built.dispositions("storage/listings/mounts/1.json") == {"billed": 1, "unattributed": 2}
    assert built.dispositions("storage/listings/mounts/2.json") == {"not_billable": 1}


@written
def _partial(world: World) -> None:
    project(world, "partial")
    project(world, "steady")
    key, other = "mounts/p-partial/m/a", "mounts/p-steady/m/a"
    both = {key: 2 * GIB, other: GIB}
    cut = listing("cut", "2026-08-03T01:00:00Z", {other: GIB}, IsTruncated=True)
    lines = [
        listing("cut", "2026-08-03T00:00:00Z", both),
        cut,
        listing("cut", "2026-08-03T02:00:00Z", {other: GIB}, complete=False),
        # The listing of one project failed; that of the other says nothing about it.
        listing("cut", "2026-08-03T03:00:00Z", {other: GIB}, prefix="mounts/p-steady/"),
        listing("cut", "2026-08-03T04:00:00Z", {}),
    ]
    world.write("storage/listings/partial.jsonl", lines)


def test_partial_listing(built: World) -> None:
    """What is not listed to its end, or not at all, keeps its last level."""
    assert stored(built, "partial") == 4 * 2 * HOUR
    assert stored(built, "steady") == 4 * HOUR
    assert built.dispositions("storage/listings/partial.jsonl") == {
        "billed": 3,
        "not_billable": 3,
        "quarantined": 2,
    }
    reasons = [
        row["reason"]
        for row in built.quarantine()
        if row["file"] == "storage/listings/partial.jsonl"
    ]
    assert reasons == [
        "the listing breaks off: IsTruncated is true on its last page",
        "the listing is not complete: it says so itself",
    ]


@written
def _encoded(world: World) -> None:
    world.account("encoded")
    world.link("e2b", "project", "p enc", "encoded")
    sizes = {"mounts/p%20enc/m/a%20b.bin": GIB, "mounts/p+enc/m/a+c.bin": GIB}
    start = listing("coded", "2026-08-03T00:00:00Z", sizes, EncodingType="url")
    end = listing("coded", "2026-08-03T01:00:00Z", {}, EncodingType="url")
    world.write("storage/listings/encoded.json", [start, end])


def test_url_encoded_key(built: World) -> None:
    """Both ways to write a blank in a key are the same project."""
    assert stored(built, "encoded") == 2 * HOUR


# --- Inventories ------------------------------------------------------------------------------


def inventory(
    world: World, folder: str, at_ms: int, lines: Sequence[str], *, spoil: bytes = b""
) -> Path:
    """An S3 Inventory in CSV of the bucket `kept`; `spoil` is added to its data file."""
    data = "".join(f"{line}\n" for line in lines).encode()
    name = f"{at_ms}.csv"
    said = {
        "sourceBucket": "kept",
        "version": "2016-11-30",
        "creationTimestamp": str(at_ms),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
        "files": [
            {
                "key": f"dest/kept/{folder}/data/{name}",
                "size": len(data),
                "MD5checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            }
        ],
    }
    text = json.dumps(said).encode()
    base = f"storage/inventory/dest/kept/{folder}"
    checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
    world.write(f"{base}/{at_ms}/manifest.checksum", checksum.encode())
    world.write(f"{base}/data/{name}", data + spoil)
    return world.write(f"{base}/{at_ms}/manifest.json", text)


def line(key: str, size: int | str, marker: str = "false") -> str:
    """A line of an inventory's data."""
    return f'"kept","{key}","v1","true","{marker}","{size}"'


DAY_MS = 86_400_000
# 2026-08-03T00:00:00Z is 20668 days after 1970.
FIRST_MS = 20_668 * DAY_MS


@written
def _inventories(world: World) -> None:
    project(world, "kept")
    project(world, "other")
    key = "mounts/p-kept/m/a%20b"
    # Two versions are billed, the delete marker is not.
    first = [line(key, GIB), line(key, 2 * GIB), line(key, "", "true")]
    inventory(world, "daily", FIRST_MS, first)
    inventory(world, "daily", FIRST_MS + DAY_MS // 2, [line(key, 0)], spoil=b"x")
    inventory(world, "daily", FIRST_MS + DAY_MS, [line("readme", 1)])
    # Another configuration of the same bucket may be filtered: it says nothing about p-kept.
    inventory(world, "others", FIRST_MS + DAY_MS // 4, [line("mounts/p-other/m/a", GIB)])
    inventory(world, "others", FIRST_MS + DAY_MS // 2, [line("readme", 1)])


def test_inventories(built: World) -> None:
    """Old versions count, a spoiled sample does not, configurations do not speak for each other."""
    assert stored(built, "kept") == 3 * DAY
    assert stored(built, "other") == DAY / 4
    spoiled = f"storage/inventory/dest/kept/daily/{FIRST_MS + DAY_MS // 2}/manifest.json"
    assert built.dispositions(spoiled) == {"quarantined": 1}
    first = f"storage/inventory/dest/kept/daily/{FIRST_MS}/manifest.json"
    assert built.dispositions(first) == {"billed": 1, "not_billable": 1}


# --- The whole ----------------------------------------------------------------------------------


def test_rows_in_are_rows_out(built: World) -> None:
    """Every file's records have their dispositions, and hours and days add up."""
    wrong = built.query(
        """
        select loads.file, loads.records, sum(dispositions.rows)::bigint as accounted
        from ops.loads as loads
        left join marts.fct_row_dispositions as dispositions using (source, content_sha256)
        group by all having loads.records <> coalesce(accounted, 0)
        """
    )
    assert wrong == []
    hours = "select sum(quantity) from marts.{} where meter_id = 'storage_gibi_seconds'"
    assert built.value(hours.format("fct_usage_hourly")) == built.value(
        hours.format("fct_usage_daily")
    )


def test_batches_orders_and_refreshes_give_the_same_marts(
    built: World, new_world: Callable[[], World]
) -> None:
    """Files in halves, the later half first, at two clocks, then in full: as built at once."""
    other = prepare(new_world())
    for name in ("accounts", "links", "subscriptions"):
        setattr(other, name, getattr(built, name))
    files = sorted(
        path
        for path in built.landing.rglob("*")
        if path.is_file() and path.relative_to(built.landing).parts[0] in {"gauges", "storage"}
    )
    assert len(files) > 15
    for half, as_of in ((files[1::2], "2026-08-09T07:08:09Z"), (files[::2], AS_OF)):
        for path in reversed(half):
            other.write(path.relative_to(built.landing).as_posix(), path.read_bytes())
        other.build(as_of)
    ours, theirs = built.digests(), other.digests()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    other.build(AS_OF, full_refresh=True)
    again = other.digests()
    assert [name for name in ours if ours[name] != again[name]] == []


def test_a_late_sample_corrects_what_was_approved(new_world: Callable[[], World]) -> None:
    """The approved line stands; the difference is a line of its own on the open statement."""
    world = prepare(new_world())
    world.account("late")
    hour = [gauge("late", "2026-08-03T00:00:00Z", GIB), gauge("late", "2026-08-03T01:00:00Z", 0)]
    world.write("gauges/known.jsonl", hour)
    world.build("2026-09-02T00:00:00Z")
    world.approve("2026-08", "2026-09-02T00:00:00Z")
    world.write("gauges/late.jsonl", [gauge("late", "2026-08-03T00:30:00Z", 2 * GIB)])
    world.build("2026-09-03T00:00:00Z")
    # Approved: 1 GiB x 3600 s. Now: 1 GiB x 1800 s + 2 GiB x 1800 s = 5400: 1800 more, at a cent.
    approved = world.lines("late", charge_class="usage")
    assert [(row["quantity"], row["amount_minor"]) for row in approved] == [(3600, 3600)]
    corrections = world.lines("late", charge_class="correction")
    assert [(row["quantity"], row["amount_minor"]) for row in corrections] == [(1800, 1800)]
    assert [row["statement_period"] for row in corrections] == ["2026-09"]
