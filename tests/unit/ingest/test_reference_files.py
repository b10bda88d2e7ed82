"""The reference files: defaults, reasons, and what stops everything."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from ingest_zone import Zone

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


@pytest.mark.parametrize(
    ("first_end", "runs"),
    [
        ("", "runs without end"),
        ("2026-08-01T00:00:00.000001Z", "runs until 2026-08-01T00:00:00.000001Z"),
    ],
)
def test_of_overlapping_subscriptions_the_later_is_quarantined(
    zone: Zone, first_end: str, runs: str
) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s0,b,pro,2026-01-01T00:00:00Z,,,,\n"
        + "s2,a,team,2026-08-01T00:00:00Z,,,,\n"
        + f"s1,a,pro,2026-01-01T00:00:00Z,{first_end},,,\n",
    )
    zone.load()
    assert zone.rows("select subscription_id from raw.subscriptions order by 1") == [
        {"subscription_id": "s0"},
        {"subscription_id": "s1"},
    ]
    assert zone.reasons() == [
        f"overlaps subscription 's1' (record 3) of account 'a', which {runs}; "
        "end that one by 2026-08-01T00:00:00Z, or start this one later"
    ]
    assert zone.rows("select record_number, raw from ops.quarantine") == [
        {"record_number": 2, "raw": "s2,a,team,2026-08-01T00:00:00Z,,,,"}
    ]


def test_subscriptions_that_touch_or_last_for_nothing_overlap_nobody(zone: Zone) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s1,a,pro,2026-01-01T00:00:00Z,2026-08-01T00:00:00Z,,,\n"
        + "s2,a,pro,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,,,\n"
        + "s3,a,pro,2026-08-01T00:00:00Z,,,,\n",
    )
    zone.load()
    assert zone.reasons() == []


def test_a_quarantined_subscription_keeps_nobody_out(zone: Zone) -> None:
    """s1 runs to December; s2 starts in it and would run on for ever; s3 starts as s1 ends."""
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS
        + "s1,a,pro,2026-01-01T00:00:00Z,2026-12-01T00:00:00Z,,,\n"
        + "s2,a,pro,2026-03-01T00:00:00Z,,,,\n"
        + "s3,a,pro,2026-12-01T00:00:00Z,,,,\n"
        + "s5,b,pro,2026-01-01T00:00:00Z,,,,\n"
        + "s4,b,pro,2026-01-01T00:00:00Z,,,,\n",
    )
    zone.load()
    kept = zone.rows("select subscription_id from raw.subscriptions order by 1")
    assert [row["subscription_id"] for row in kept] == ["s1", "s3", "s4"]
    assert [reason.split(" of ")[0] for reason in zone.reasons()] == [
        "overlaps subscription 's1' (record 1)",
        "overlaps subscription 's4' (record 5)",
    ]


def test_a_trial_ends_after_it_begins(zone: Zone) -> None:
    zone.write(
        "subscriptions.csv",
        SUBSCRIPTIONS.replace("\n", ",trial_ends_at\n")
        + "s1,a,pro,2026-01-01T00:00:00Z,,,,,2026-01-15T00:00:00Z\n"
        + "s2,b,pro,2026-01-01T00:00:00Z,,,,,\n"
        + "s3,c,pro,2026-01-01T00:00:00Z,,,,,2025-12-31T00:00:00Z\n",
    )
    zone.load()
    found = zone.rows("select subscription_id, trial_ends_at from raw.subscriptions order by 1")
    assert [tuple(row.values()) for row in found] == [
        ("s1", datetime(2026, 1, 15, tzinfo=UTC)),
        ("s2", None),
    ]
    assert zone.reasons() == ["trial_ends_at is before started_at"]


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


CORRECTIONS = "correction_id,record_id,action,quantity,reason,requested_by,requested_at\n"


def test_corrections(zone: Zone) -> None:
    zone.write(
        "corrections.csv",
        CORRECTIONS
        + "c1,q1,void,,counted twice,Ada,2026-08-05T10:00:00Z\n"
        + "c2,q1,replace,2.5,a half was right,Ada,2026-08-06T12:00:00+02:00\n"
        + "c3,q2,replace,0,none at all,Ben,2026-08-05T10:00:00Z\n"
        + "c4,q3,replace,,no quantity,Ben,2026-08-05T10:00:00Z\n"
        + "c5,q3,void,1,a quantity,Ben,2026-08-05T10:00:00Z\n"
        + "c6,q3,delete,,,Ben,2026-08-05T10:00:00Z\n"
        + "c7,q3,void,,,Ben,2026-08-05T10:00:00Z\n"
        + "c8,q3,void,,no name,,2026-08-05T10:00:00Z\n"
        + "c9,q3,void,,no zone,Ben,2026-08-05T10:00:00\n"
        + "c10,q3,replace,-1,negative,Ben,2026-08-05T10:00:00Z\n"
        + "c11,q3,replace,1.00000000000000001,too fine,Ben,2026-08-05T10:00:00Z\n"
        + "c1,q9,void,,the same id,Ben,2026-08-05T10:00:00Z\n"
        + ",q9,void,,no id,Ben,2026-08-05T10:00:00Z\n",
    )
    zone.load()
    found = zone.rows(
        "select * exclude (load_seq, record_number, raw) from raw.corrections order by 2"
    )
    at = datetime(2026, 8, 5, 10, tzinfo=UTC)
    next_day = datetime(2026, 8, 6, 10, tzinfo=UTC)
    assert [tuple(row.values()) for row in found] == [
        (at, "c1", "q1", "void", None, "counted twice", "Ada", at),
        (next_day, "c2", "q1", "replace", Decimal("2.5"), "a half was right", "Ada", next_day),
        (at, "c3", "q2", "replace", Decimal(0), "none at all", "Ben", at),
    ]
    assert zone.reasons() == [
        "quantity is missing; action replace says what to count instead",
        "quantity must be empty when action is void",
        "action must be void or replace, not 'delete'",
        "reason is missing",
        "requested_by is missing",
        "requested_at has no time zone: '2026-08-05T10:00:00'; write it like 2026-08-01T00:00:00Z",
        "quantity must not be negative: '-1'",
        "quantity has more than 16 decimal places: '1.00000000000000001'",
        "correction_id repeats record 1",
        "correction_id is missing",
    ]


def test_two_corrections_of_one_record_and_instant_must_say_the_same(zone: Zone) -> None:
    zone.write(
        "corrections.csv",
        CORRECTIONS
        + "c1,q1,replace,2,first,Ada,2026-08-05T10:00:00Z\n"
        + "c2,q1,replace,2.0,the same in other words,Ben,2026-08-05T12:00:00+02:00\n"
        + "c3,q1,replace,3,another quantity,Ada,2026-08-05T10:00:00Z\n"
        + "c4,q1,void,,another action,Ada,2026-08-05T10:00:00Z\n"
        + "c5,q2,void,,another record,Ada,2026-08-05T10:00:00Z\n"
        + "c6,q1,void,,another instant,Ada,2026-08-05T10:00:00.000001Z\n",
    )
    zone.load()
    found = zone.rows("select correction_id from raw.corrections order by 1")
    assert [row["correction_id"] for row in found] == ["c1", "c2", "c5", "c6"]
    assert zone.reasons() == [
        "quantity contradicts record 1, which has the same record_id and requested_at",
        "action contradicts record 1, which has the same record_id and requested_at",
    ]


def test_exchange_rates(zone: Zone) -> None:
    zone.write(
        "exchange_rates.csv",
        "rate_date,from_currency,to_currency,rate\n"
        + "2026-08-01,EUR,usd,1.083500000000000001\n"
        + "2026-08-01,usd,eur,0.92\n"
        + "2026-08-02,eur,usd,1\n"
        + "2026-08-01,eur,USD,1.09\n"
        + "2026-08-03,eur,usd,0\n"
        + "2026-08-03,eur,usd,-1\n"
        + "2026-08-03,eur,eur,1\n"
        + "2026-08-03,euro,usd,1\n"
        + "2026-08-03,,usd,1\n"
        + "2026-08-03,eur,usd,\n"
        + "2026-02-30,eur,usd,1\n"
        + "03/08/2026,eur,usd,1\n"
        + "2026-08-03,eur,usd,1.0000000000000000001\n",
    )
    zone.load()
    found = zone.rows("select * exclude (load_seq, raw) from raw.exchange_rates order by 1")
    first = datetime(2026, 8, 1, tzinfo=UTC)
    second = datetime(2026, 8, 2, tzinfo=UTC)
    assert [tuple(row.values()) for row in found] == [
        (1, first, date(2026, 8, 1), "eur", "usd", Decimal("1.083500000000000001")),
        (2, first, date(2026, 8, 1), "usd", "eur", Decimal("0.92")),
        (3, second, date(2026, 8, 2), "eur", "usd", Decimal(1)),
    ]
    assert zone.reasons() == [
        "rate_date, from_currency, to_currency repeats record 1",
        "rate must be above 0: 0",
        "rate must not be negative: '-1'",
        "from_currency and to_currency are both eur",
        "from_currency must be three letters, not 'euro'",
        "from_currency is missing",
        "rate is missing",
        "rate_date is not a date: '2026-02-30'",
        "rate_date must be a date like 2026-08-01, not '03/08/2026'",
        "rate has more than 18 decimal places: '1.0000000000000000001'",
    ]


@pytest.mark.parametrize(
    ("file", "header", "missing"),
    [
        ("corrections.csv", "correction_id,record_id,action,reason,requested_by", "requested_at"),
        ("exchange_rates.csv", "from_currency,to_currency,rate", "rate_date"),
    ],
)
def test_a_file_without_a_column_is_quarantined_whole(
    zone: Zone, file: str, header: str, missing: str
) -> None:
    zone.write(file, header + "\n" + ",".join("x" * (header.count(",") + 1)) + "\n")
    zone.load()
    assert zone.reasons() == [f"the header has no column {missing}"]
