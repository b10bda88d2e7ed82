"""Accounts, links, subscriptions and credits: defaults, reasons, and what stops everything."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from ingest_zone import Zone

from ingest.errors import UsageError

pytestmark = pytest.mark.unit

ACCOUNTS = "account_id,name,stripe_customer_id,currency,timezone,email\n"
LINKS = "provider,match_key,match_value,account_id,valid_from,valid_to\n"
SUBSCRIPTIONS = (
    "subscription_id,account_id,plan_id,started_at,ended_at,billing_anchor,spending_cap,on_demand\n"
)
CREDITS = (
    "credit_id,account_id,amount,currency,category,priority,effective_at,expires_at,meter_id\n"
)


def test_accounts(zone: Zone) -> None:
    zone.write(
        "accounts.csv",
        ACCOUNTS
        + "a1, Acme ,cus_1,EUR,Europe/Berlin,a@example.com\n"
        + "a2,,,,,\n"
        + "a1,Again,,,,\n"
        + "a3,,,euros,,\n"
        + "a4,,,,Mars/Olympus,\n"
        + ",Nobody,,,,\n"
        + "a5,,,,../etc/passwd,\n",
    )
    zone.load()
    found = zone.rows("select * exclude (load_seq, known_at, raw) from raw.accounts order by 1")
    assert [tuple(row.values()) for row in found] == [
        (1, "a1", "Acme", "cus_1", "eur", "Europe/Berlin", "a@example.com"),
        (2, "a2", None, None, "usd", "UTC", None),
    ]
    assert zone.reasons() == [
        "account_id repeats record 1",
        "currency must be three letters, not 'euros'",
        "timezone is not an IANA time zone: 'Mars/Olympus'",
        "account_id is missing",
        "timezone is not an IANA time zone: '../etc/passwd'",
    ]


def test_account_links(zone: Zone) -> None:
    zone.write(
        "account_links.csv",
        LINKS.replace(",", ";")
        + "e2b;metadata:customer;acme;a1;2026-01-01T00:00:00Z;\n"
        + "e2b;account;9d2e;a1;;\n"
        + "e2b;customer;acme;a1;;\n"
        + "e2b;project;p;a1;2026-01-01;\n"
        + "e2b;project;p;a1;2026-02-01T00:00:00Z;2026-01-01T00:00:00Z\n",
    )
    zone.load()
    found = zone.rows("select match_key, valid_from, valid_to from raw.account_links order by 1")
    assert [tuple(row.values()) for row in found] == [
        ("account", None, None),
        ("metadata:customer", datetime(2026, 1, 1, tzinfo=UTC), None),
    ]
    assert zone.reasons() == [
        "match_key must be metadata:<key>, project or account, not 'customer'",
        "valid_from has no time zone: '2026-01-01'; write it like 2026-08-01T00:00:00Z",
        "valid_to is before valid_from",
    ]


def test_subscriptions(zone: Zone) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s1,a1,pro,2026-01-01T00:00:00Z,2026-08-01T00:00:00Z,,,\n"
        + "s2,a1,team,2026-08-01T00:00:00Z,,2026-01-31T00:00:00Z,100.50,true\n"
        + "s3,a2,pro,2026-01-01T00:00:00+02:00,,15,,no\n"
        + "s4,a3,pro,2026-01-01T00:00:00Z,,someday,,\n"
        + "s5,a4,pro,2026-01-01T00:00:00Z,,,-5,\n"
        + "s6,a5,pro,2026-01-01T00:00:00Z,,,,perhaps\n"
        + "s7,a6,,2026-01-01T00:00:00Z,,,,\n"
        + "s8,a7,pro,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,,,\n",
    )
    zone.load()
    found = zone.rows(
        "select subscription_id, billing_anchor, spending_cap, on_demand, known_at"
        " from raw.subscriptions order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("s1", None, None, None, datetime(2026, 1, 1, tzinfo=UTC)),
        ("s2", "2026-01-31T00:00:00Z", Decimal("100.5"), True, datetime(2026, 8, 1, tzinfo=UTC)),
        ("s3", "15", None, False, datetime(2025, 12, 31, 22, tzinfo=UTC)),
    ]
    assert zone.reasons() == [
        "billing_anchor must be a day of the month, a date or a time with a zone, not 'someday'",
        "spending_cap must not be negative: '-5'",
        "on_demand must be true or false, not 'perhaps'",
        "plan_id is missing",
        "ended_at is before started_at",
    ]


@pytest.mark.parametrize("first_end", ["", "2026-08-01T00:00:00.000001Z"])
def test_overlapping_subscriptions_stop_everything(zone: Zone, first_end: str) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s0,b,pro,2026-01-01T00:00:00Z,,,,\n"
        + "s2,a,team,2026-08-01T00:00:00Z,,,,\n"
        + f"s1,a,pro,2026-01-01T00:00:00Z,{first_end},,,\n",
    )
    with pytest.raises(UsageError, match=r"subscriptions\.csv: records 2 and 3 .* account a "):
        zone.load()
    assert zone.rows("from ops.loads") == []
    assert zone.rows("from raw.subscriptions") == []


def test_a_long_subscription_overlaps_one_that_is_not_its_neighbour(zone: Zone) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s1,a,pro,2026-01-01T00:00:00Z,2026-12-01T00:00:00Z,,,\n"
        + "s2,a,pro,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,,,\n"
        + "s3,a,pro,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,,,\n",
    )
    with pytest.raises(UsageError, match="records 1 and 3"):
        zone.load()


def test_credits(zone: Zone) -> None:
    zone.write(
        "credits.csv",
        CREDITS
        + "c1,a1,100.50,,paid,,2026-01-01T00:00:00Z,,\n"
        + "c2,a1,5,USD,promotional,10,,2026-02-01T00:00:00Z,cpu\n"
        + "c3,a1,0,usd,paid,,,,\n"
        + "c4,a1,5,usd,gift,,,,\n"
        + "c5,a1,1e-19,usd,paid,,,,\n"
        + "c6,a1,5,usd,paid,,2026-02-01T00:00:00Z,2026-01-01T00:00:00Z,\n"
        + "c1,a1,5,usd,paid,,,,\n",
    )
    zone.load()
    found = zone.rows(
        "select credit_id, amount, currency, category, priority, meter_id"
        " from raw.credits order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("c1", Decimal("100.5"), "usd", "paid", 50, None),
        ("c2", Decimal("5"), "usd", "promotional", 10, "cpu"),
    ]
    assert zone.reasons() == [
        "amount must be above 0: 0",
        "category must be paid or promotional, not 'gift'",
        "amount has more than 18 decimal places: '1e-19'",
        "expires_at is before effective_at",
        "credit_id repeats record 1",
    ]


@pytest.mark.parametrize("name", ["accounts", "account_links", "subscriptions", "credits"])
def test_a_reference_file_without_its_columns_is_quarantined_whole(zone: Zone, name: str) -> None:
    zone.write(f"{name}.csv", "something,else\n1,2\n3,4\n")
    zone.load()
    (bad,) = zone.rows("from ops.quarantine")
    assert bad["record_number"] is None
    assert bad["reason"].startswith("the header has no column ")
