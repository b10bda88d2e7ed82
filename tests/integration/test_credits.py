"""Credits through whole builds: who pays first, for what, and what is lost when a credit expires.

Each account uses what it used by the second: a cent a second. All cases are built once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from world import START, Cases, Row, World, charge, interval, meters, plan, quantity, version

pytestmark = pytest.mark.integration

AS_OF = "2026-04-02T00:00:00Z"
JANUARY = "2026-02-01T00:00:00Z"  # the end of the period of January

CASES = Cases()
written = CASES.written


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    world.meters = meters("pages", "calls")
    terms = {"percentage_discount": "50"}
    world.plans += [
        plan(
            "two",
            version(
                START,
                [charge("pages", "pages", "1"), charge("calls", "calls", "1")],
                base_amount="7.00",
            ),
        ),
        plan("half", version(START, [charge("pages", "pages", "1", **terms)])),
        plan("covered", version(START, [charge("pages", "pages", "1")], included_amount="4.00")),
    ]
    CASES.tell(world)
    world.build(AS_OF)
    return world


def grant(world: World, credit_id: str, account: str, amount: str, **more: str | int) -> None:
    """A line of `credits.csv`: dollars, paid, of priority 50, for anything, for ever."""
    usual = {
        "credit_id": credit_id,
        "account_id": account,
        "amount": amount,
        "currency": "usd",
        "category": "paid",
        "priority": 50,
        "effective_at": "",
        "expires_at": "",
        "meter_id": "",
    }
    world.credits.append(usual | more)


def use(world: World, account: str, month: int, **quantities: str) -> None:
    """Quantities of an account in a month of 2026, a dollar each."""
    rows = [
        quantity(
            f"{account}-{month}-{meter}",
            account,
            meter,
            amount,
            f"2026-{month:02}-10T00:00:00Z",
            f"2026-{month:02}-10T01:00:00Z",
        )
        for meter, amount in quantities.items()
    ]
    world.write(f"quantities/{account}-{month}.csv", rows)


def uses(world: World, account: str) -> list[tuple[int, str, int, int]]:
    """Month, credit, what it paid and what it had left, in the order of months and credits."""
    rows = world.query(
        """
        select month(statements.period_start) as month, credit_id, applied_minor, remaining_minor
        from marts.fct_credit_burndown inner join marts.fct_statements as statements
            using (statement_id)
        where statements.account_id = ? order by 1, 2
        """,
        account,
    )
    return [tuple(row.values()) for row in rows]


def balance(world: World, credit_id: str) -> tuple[int, ...]:
    """Granted, applied, given back, expired, remaining."""
    [row] = world.query("select * from marts.fct_credit_balances where credit_id = ?", credit_id)
    names = ("granted", "applied", "given_back", "expired", "remaining")
    return tuple(row[f"{name}_minor"] for name in names)


def totals(world: World, account: str) -> list[tuple[int, int, int]]:
    """Subtotal, credits and total of each statement, in order."""
    rows = world.query(
        """
        select subtotal_minor, credits_minor, total_minor from marts.fct_statements
        where account_id = ? order by period_start
        """,
        account,
    )
    return [tuple(row.values()) for row in rows]


@written
def _in_order(world: World) -> None:
    world.account("order", plan_id="half")
    use(world, "order", 1, pages="11")
    # 5.50 after the discount. Each has one dollar; the last to have a turn gets 50 cents.
    grant(world, "o1", "order", "1", priority=0)
    grant(world, "o2", "order", "1", expires_at="2026-02-01T00:00:01Z")
    grant(world, "o3", "order", "1", expires_at="2026-06-01T00:00:00Z", category="promotional")
    grant(world, "o4", "order", "1", category="promotional", effective_at="2026-01-02T00:00:00Z")
    grant(world, "o5", "order", "1", effective_at="2026-01-01T00:00:00Z")
    grant(world, "o6", "order", "1", effective_at="2026-01-03T00:00:00Z")
    grant(world, "o7", "order", "1", priority=51, category="promotional")


def test_credits_have_their_turn_as_stripe_documents_it(built: World) -> None:
    """Stripe's credit grants: priority, earliest expiry, promotional, earliest effective.

    Applied after discounts. Stripe's last tie, the creation, is the credit's id here.
    """
    # 11.00 less 50 % = 5.50: o1 to o5 pay 1.00 each, o6 the last 0.50, o7 nothing.
    assert uses(built, "order") == [
        (1, "o1", 100, 0),
        (1, "o2", 100, 0),
        (1, "o3", 100, 0),
        (1, "o4", 100, 0),
        (1, "o5", 100, 0),
        (1, "o6", 50, 50),
    ]
    assert totals(built, "order")[0] == (550, 550, 0)
    assert balance(built, "o7") == (100, 0, 0, 0, 100)


@written
def _lines(world: World) -> None:
    for account in ("lines", "scoped"):
        world.account(account, plan_id="two")
        use(world, account, 1, pages="20", calls="40")
    grant(world, "l-any", "lines", "30", priority=0)
    grant(world, "l-pages", "lines", "50", priority=1, meter_id="pages")
    grant(world, "s-pages", "scoped", "50", priority=0, meter_id="pages")
    grant(world, "s-any", "scoped", "45", priority=1)


def test_within_an_invoice_stripe_goes_line_by_line(built: World) -> None:
    """Stripe applies a grant to the lines of an invoice in their order, metered prices only."""
    # pages 20.00, calls 40.00, base fee 7.00. l-any: 20.00 of pages, 10.00 of calls. l-pages finds
    # pages paid. Total: 67.00 - 30.00 = 37.00.
    assert uses(built, "lines") == [(1, "l-any", 3000, 0)]
    assert totals(built, "lines")[0] == (6700, 3000, 3700)
    assert balance(built, "l-pages") == (5000, 0, 0, 0, 5000)
    # The other way round: s-pages pays the 20.00 of pages, s-any the 40.00 of calls, and never the
    # base fee: 67.00 - 60.00 = 7.00.
    assert uses(built, "scoped") == [(1, "s-any", 4000, 500), (1, "s-pages", 2000, 3000)]
    assert totals(built, "scoped")[0] == (6700, 6000, 700)


@written
def _expiring(world: World) -> None:
    world.account("expiring", plan_id="two")
    use(world, "expiring", 1, pages="6")
    use(world, "expiring", 2, pages="6")
    grant(world, "e-at", "expiring", "10", expires_at=JANUARY)
    grant(world, "e-after", "expiring", "10", expires_at="2026-02-01T00:00:01Z")
    grant(world, "e-later", "expiring", "100", expires_at="2026-04-03T00:00:00Z")
    grant(world, "e-unused", "expiring", "1.005", category="promotional", expires_at=AS_OF)


def test_what_is_left_of_an_expired_credit_is_breakage(built: World) -> None:
    """A credit pays for a period that ends in its life, and then its rest is lost."""
    # Turns: e-at (expires at the period's end: not January's), e-after, e-unused, e-later.
    # January 6.00: e-after. February 6.00 (ends March 1): e-after has expired; e-unused pays its
    # 1.01 (1.005 rounds half away from zero), e-later the other 4.99.
    assert uses(built, "expiring") == [
        (1, "e-after", 600, 400),
        (2, "e-later", 499, 9501),
        (2, "e-unused", 101, 0),
    ]
    assert balance(built, "e-at") == (1000, 0, 0, 1000, 0)
    assert balance(built, "e-after") == (1000, 600, 0, 400, 0)
    assert balance(built, "e-unused") == (101, 101, 0, 0, 0)
    assert balance(built, "e-later") == (10000, 499, 0, 0, 9501)
    expired = built.query(
        "select credit_id, expired_at from marts.fct_credit_balances"
        " where account_id = 'expiring' and expired_at is not null order by 1"
    )
    assert [(row["credit_id"], row["expired_at"].isoformat()) for row in expired] == [
        ("e-after", "2026-02-01T00:00:01+00:00"),
        ("e-at", "2026-02-01T00:00:00+00:00"),
        ("e-unused", "2026-04-02T00:00:00+00:00"),  # the as-of itself: it has expired
    ]


@written
def _included(world: World) -> None:
    world.account("included", plan_id="covered")
    use(world, "included", 1, pages="10")
    grant(world, "i-pages", "included", "100", meter_id="pages")


def test_a_credit_pays_what_the_allowance_leaves(built: World) -> None:
    """Credits come after the included amount, also one that names the meter."""
    # pages 10.00 - included 4.00 = 6.00, all of it paid by the credit.
    assert totals(built, "included")[0] == (600, 600, 0)
    assert balance(built, "i-pages") == (10000, 600, 0, 0, 9400)


@written
def _odd(world: World) -> None:
    world.account("odd", plan_id="two")
    use(world, "odd", 1, pages="5")
    grant(world, "x-euro", "odd", "5", currency="eur")
    grant(world, "x-meter", "odd", "5", meter_id="pagse")
    grant(world, "x-account", "nobody", "5", effective_at="2026-01-01T00:00:00Z")
    grant(world, "x-fine", "odd", "5", meter_id="calls")


def test_a_credit_that_cannot_be_used_is_a_named_issue(built: World) -> None:
    """Another currency, an unknown meter, an unknown account: nothing is paid, and it is said."""
    assert totals(built, "odd")[0] == (1200, 0, 1200)  # 5.00 and the base fee of 7.00
    found = built.query(
        """
        select execution_id as credit_id, issue, account_id, source_account
        from marts.fct_usage_issues where provider = 'credits' order by 1
        """
    )
    assert [tuple(row.values()) for row in found] == [
        ("x-account", "credit_account_unknown", None, "nobody"),
        ("x-euro", "credit_currency_not_billed", "odd", "odd"),
        ("x-meter", "credit_meter_unknown", "odd", "odd"),
    ]
    for credit_id in ("x-euro", "x-meter", "x-account", "x-fine"):
        assert balance(built, credit_id) == (500, 0, 0, 0, 500), credit_id


def test_what_a_correction_gives_back_can_be_used_again(world: World) -> None:
    """A voided record makes an approved statement smaller: its credit is whole again."""
    world.account("back")
    world.write("intervals/back.csv", [_run("one", 8), _run("two", 2)])
    grant(world, "b", "back", "4")
    # 8 s and 2 s at a cent for the second and for the core-second each, a GiB-second of memory, and
    # ten cents for ten GiB-seconds of disk: 13 cents a second, 130 cents. The credit pays 130.
    world.build("2026-02-02T00:00:00Z")
    world.approve("2026-01", "2026-02-02T00:00:00Z", ["back"])
    assert balance(world, "b") == (400, 130, 0, 0, 270)
    world.write("corrections.csv", [_void("one", "2026-02-03T00:00:00Z")])
    # Without the run of 8 s the statement would have been 26 cents: 104 come back in February.
    world.build("2026-02-04T00:00:00Z")
    assert uses(world, "back") == [(1, "b", 130, 270), (2, "b", -104, 374)]
    assert balance(world, "b") == (400, 26, 104, 0, 374)
    # Taken out of the file: what the approved statement used is given back, and nothing is granted.
    world.credits.clear()
    (world.landing / "credits.csv").write_text(
        "credit_id,account_id,amount,currency,category,priority,effective_at,expires_at,meter_id\n"
    )
    world.build("2026-02-05T00:00:00Z")
    assert balance(world, "b") == (0, 0, 130, 0, 0)
    [row] = world.query("select issue from marts.fct_credit_balances")
    assert row["issue"] == "credit_withdrawn"


def _run(record_id: str, seconds: int) -> Row:
    second = {"one": 10, "two": 40}[record_id]
    return interval(
        record_id,
        "back",
        f"sb-{record_id}",
        f"2026-01-05T10:00:{second}Z",
        f"2026-01-05T10:00:{second + seconds}Z",
    )


def _void(record_id: str, requested_at: str) -> dict[str, Any]:
    return {
        "correction_id": f"void-{record_id}",
        "record_id": record_id,
        "action": "void",
        "quantity": "",
        "reason": "never ran",
        "requested_by": "Ada",
        "requested_at": requested_at,
    }
