"""Usage gates: whether an account may start something new, why not, and since when.

A page costs a dollar, a second a cent. The cases of `built` are built once, as of 2026-08-20 at
noon; those that need more than one clock build their own world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from world import (
    START,
    Cases,
    Row,
    World,
    charge,
    interval,
    meters,
    plan,
    quantity,
    utc,
    version,
)

pytestmark = pytest.mark.integration

AS_OF = "2026-08-20T12:00:00Z"
SECONDS = [charge("seconds", "sandbox_seconds")]
PAGES = [charge("pages", "pages", "1")]

CASES = Cases()
written = CASES.written


def set_up(world: World) -> None:
    """The meters and plans of all cases."""
    world.meters = [
        *meters("pages", "calls"),
        {"meter_id": "stored", "source": "storage", "measure": "gibi_seconds", "unit": "GiB-s"},
        *(_event_meter(each) for each in ("sum", "unique_count", "max", "weighted_sum")),
        _event_meter("tenths", aggregation="sum", rounding={"mode": "up", "places": 1}),
    ]
    package = {"model": "package", "properties": {"package_size": 10, "amount": "5"}}
    fee = {
        "model": "percentage",
        "properties": {"rate_percent": "10", "fixed_amount": "1", "free_units_per_events": 1},
    }
    limits = {"max_concurrent_sandboxes": 2, "allowed_memory_mib": [1024]}
    tiers = [{"up_to": 10, "unit_amount": "2"}, {"up_to": None, "unit_amount": "1"}]
    graduated = {"model": "graduated", "properties": {"tiers": tiers}}
    volume = {"model": "volume", "properties": {"tiers": tiers}}
    world.plans += [
        plan("free", version(START, SECONDS, included_amount="5.00")),
        plan(
            "capped", version(START, PAGES, included_amount="20.00", default_spending_cap="50.00")
        ),
        plan("pages", version(START, PAGES)),
        plan("fee", version(START, PAGES, base_amount="20.00")),
        plan("pair", version(START, SECONDS, limits=limits)),
        plan("runs", version(START, [charge("runs", "pages", "0.01", included_quantity="3")])),
        plan(
            "steps",
            version(
                START,
                [
                    charge("pages", "pages", percentage_discount="10", **graduated),
                    charge("calls", "calls", **volume),
                ],
                included_amount="30.00",
            ),
        ),
        plan("packs", version(START, [charge("p", "pages", **package)], included_amount="6.00")),
        plan("fees", version(START, [charge("f", "sum", **fee)], included_amount="4.00")),
        plan("users", version(START, [charge("u", "unique_count", "1")], included_amount="2.00")),
        plan("everything", *_everything(package, fee, graduated, volume)),
        plan(
            "repriced",
            version(START, [charge("pages", "pages", **graduated)], included_amount="26.00"),
            version(
                "2026-08-10T00:00:00Z",
                [charge("pages", "pages", **graduated)],
                included_amount="99.00",
            ),
        ),
    ]


def _event_meter(name: str, **more: Any) -> Row:
    """A meter of the events of the type that bears its name."""
    meter = {"meter_id": name, "source": "events", "event_type": name, "aggregation": name}
    return meter | {"value": "$.n", "unit": "unit"} | more


def _everything(package: Row, fee: Row, graduated: Row, volume: Row) -> list[Row]:
    """Two versions, the second from within an hour, with every kind of meter and charge."""
    charges = [
        charge("seconds", "sandbox_seconds", included_quantity="100"),
        charge("memory", "sandbox_ram_gibi_seconds", "0.003", percentage_discount="12.5"),
        charge("stored", "stored", "0.0001"),
        charge("packs", "pages", **package),
        charge("fees", "sum", **fee),
        charge("users", "unique_count", "0.25"),
        charge("peak", "max", "0.031"),
        charge("level", "weighted_sum", "0.7"),
        charge("tenths", "tenths", **graduated),
        charge("calls", "calls", **volume),
    ]
    flat = {"tiers": [{"up_to": None, "unit_amount": "0.02", "flat_amount": "1.50"}]}
    second = [
        charge("seconds", "sandbox_seconds", "0.02", included_quantity="100"),
        *charges[1:-1],
        charge("calls", "calls", model="graduated", properties=flat),
    ]
    terms = {"included_amount": "1.00", "maximum_amount": "90.00"}
    return [
        version(START, charges, **terms),
        version("2026-08-05T09:17:23Z", second, **terms),
    ]


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every case in it."""
    world = new_world()
    set_up(world)
    CASES.tell(world)
    world.build(AS_OF)
    return world


def account(world: World, name: str, plan_id: str, *, customer: bool = True, **more: str) -> None:
    """An account on a plan; `more` are columns of its subscription."""
    world.account(name, plan_id=None)
    if not customer:
        world.accounts[-1]["stripe_customer_id"] = ""
    world.subscribe(name, plan_id, START, **more)


def use(world: World, name: str, *told: tuple[str, str], meter_id: str = "pages") -> None:
    """Amounts of a meter, each at a time like `08-04T09:30` that ends a minute later."""
    rows = [
        quantity(
            f"{name}-{meter_id}-{at}",
            name,
            meter_id,
            amount,
            f"2026-{at}:00Z",
            f"2026-{at}:30Z",
        )
        for at, amount in told
    ]
    world.write(f"quantities/{name}-{meter_id}-{told[0][0].replace(':', '')}.csv", rows)


def tell(world: World, name: str, event_type: str, *told: tuple[str, str]) -> None:
    """CloudEvents of an account, each at a time with the value that meters read."""
    events = [
        {
            "specversion": "1.0",
            "id": f"{name}-{event_type}-{at}",
            "source": "api",
            "type": event_type,
            "subject": name,
            "time": f"2026-{at}:00Z",
            "data": {"n": value},
        }
        for at, value in told
    ]
    world.write(f"cloudevents/{name}-{event_type}.ndjson", events)


def run(name: str, sandbox: str, start: str, end: str | None, **more: object) -> Row:
    """A run between two times like `08-03T10:58:20`; without an end it still runs."""
    stop = f"2026-{end}Z" if end else None
    return interval(f"{name}-{sandbox}", name, sandbox, f"2026-{start}Z", stop, **more)


def gate(world: World, name: str) -> tuple[bool, str, str | None]:
    """Allowed, code, and since when (`08-03T12:00:00`)."""
    [row] = world.query("select * from marts.dim_usage_gates where account_id = ?", name)
    decided_at = row["decided_at"]
    return row["allowed"], row["code"], decided_at and decided_at.strftime("%m-%dT%H:%M:%S")


def reason(world: World, name: str) -> str:
    """Why, in words."""
    return str(world.value("select reason from marts.dim_usage_gates where account_id = ?", name))


def test_every_account_has_one_gate(built: World) -> None:
    """The grain is the account."""
    accounts = built.value("select count(*) from marts.dim_accounts")
    assert built.value("select count(*) from marts.dim_usage_gates") == accounts


# --- Subscriptions --------------------------------------------------------------------------


@written
def _subscriptions(world: World) -> None:
    world.account("never", plan_id=None)
    world.account("left", plan_id=None)
    world.subscribe("left", "pages", START, "2026-08-11T00:00:00Z")
    account(world, "idle", "pages")


def test_without_a_subscription_the_gate_is_shut(built: World) -> None:
    """From the end of the last one on; an account that never had one has no such instant."""
    assert gate(built, "never") == (False, "no_subscription", None)
    assert gate(built, "left") == (False, "no_subscription", "08-11T00:00:00")
    assert gate(built, "idle") == (True, "ok", "08-01T00:00:00")


# --- What is included -----------------------------------------------------------------------


@written
def _free(world: World) -> None:
    for name, end in (("spent", "08-03T11:10:00"), ("exact", "08-03T11:06:40")):
        account(world, name, "free")
        world.write(f"intervals/{name}.csv", [run(name, "a", "08-03T10:58:20", end)])
    account(world, "near", "free")
    world.write("intervals/near.csv", [run("near", "a", "08-03T10:58:20", "08-03T11:06:39")])


def test_a_free_plan_is_exhausted_at_the_end_of_an_hour(built: World) -> None:
    """The end of the first hour in which the usage is worth what is included."""
    # spent: 10:58:20 to 11:00 = 100 s = 1.00; to 11:10 = 700 s = 7.00, five reached by 12:00.
    assert gate(built, "spent") == (False, "included_exhausted", "08-03T12:00:00")
    assert reason(built, "spent") == "Usage of 7.00 usd has reached the included 5.00 usd."
    # exact: 500 s = 5.00 is all of it. near: 499 s = 4.99 is not.
    assert gate(built, "exact") == (False, "included_exhausted", "08-03T12:00:00")
    assert gate(built, "near") == (True, "ok", "08-01T00:00:00")


@written
def _runs(world: World) -> None:
    account(world, "runner", "runs")
    use(world, "runner", ("08-02T05:10", "2"), ("08-02T06:10", "1"), ("08-02T07:10", "4"))
    account(world, "runner-demand", "runs", on_demand="true")
    use(world, "runner-demand", ("08-02T05:10", "9"))


def test_included_quantities_are_all_that_a_plan_offers(built: World) -> None:
    """Three runs are included and none is for sale, unless the subscription is on demand."""
    # 2 by 06:00, 3 by 07:00, 7 by 08:00.
    assert gate(built, "runner") == (False, "included_exhausted", "08-02T07:00:00")
    assert reason(built, "runner") == "Usage of 7 has reached the included 3 of runs."
    assert gate(built, "runner-demand") == (True, "ok", "08-01T00:00:00")


@written
def _steps(world: World) -> None:
    account(world, "steps", "steps")
    use(world, "steps", ("08-05T00:10", "5"), ("08-05T02:10", "8"))
    use(world, "steps", ("08-05T01:10", "4"), ("08-05T03:10", "7"), meter_id="calls")


def test_tiers_and_discounts_are_those_of_the_charges(built: World) -> None:
    """The running amount is rated as the statement is, with tiers, discounts and volumes."""
    # pages: up to 10 at 2.00, then 1.00, less 10 %; calls: all at 2.00 up to 10, else all at 1.00.
    # 01:00  pages 5: 10.00 - 1.00 = 9.00
    # 02:00  calls 4: 8.00                              17.00
    # 03:00  pages 13: 20 + 3 = 23.00 - 2.30 = 20.70    28.70
    # 04:00  calls 11: 11.00                            31.70, beyond 30.00
    assert gate(built, "steps") == (False, "included_exhausted", "08-05T04:00:00")
    assert reason(built, "steps") == "Usage of 31.70 usd has reached the included 30.00 usd."


@written
def _repriced(world: World) -> None:
    account(world, "repriced", "repriced")
    use(world, "repriced", ("08-09T23:30", "8"), ("08-10T00:30", "9"), ("08-11T00:30", "4"))


def test_versions_of_a_period_run_on(built: World) -> None:
    """A new version in mid-period starts no new tiers and changes no allowance (D04, D07)."""
    # 8 at 2.00 = 16.00; then 2 at 2.00 and 7 at 1.00 = 11.00: 27.00, beyond 26.00, by 01:00.
    assert gate(built, "repriced") == (False, "included_exhausted", "08-10T01:00:00")


@written
def _models(world: World) -> None:
    account(world, "packs", "packs")
    use(world, "packs", ("08-02T01:10", "1"), ("08-02T02:10", "9"), ("08-02T03:10", "1"))
    account(world, "fees", "fees")
    told = [("08-02T01:10", "50"), ("08-02T02:10", "10"), ("08-02T03:10", "10")]
    tell(world, "fees", "sum", *told)
    account(world, "users", "users")
    told = [("08-02T01:10", "ann"), ("08-02T02:10", "bob"), ("08-02T05:10", "ann")]
    tell(world, "users", "unique_count", *told)


def test_every_kind_of_charge_runs_by_the_hour(built: World) -> None:
    """Packages and prices by event too; what does not add up counts from its last event on."""
    # One package, 5.00, until the eleventh page begins the second: 10.00 by 04:00.
    assert gate(built, "packs") == (False, "included_exhausted", "08-02T04:00:00")
    # The first event is free; each other 10 % of 10 and 1.00: 2.00 by 03:00, 4.00 by 04:00.
    assert gate(built, "fees") == (False, "included_exhausted", "08-02T04:00:00")
    # Two users by 03:00, but the last event is in the hour to 06:00 (D54).
    assert gate(built, "users") == (False, "included_exhausted", "08-02T06:00:00")


@written
def _everything_at_once(world: World) -> None:
    account(world, "everything", "everything")
    world.accounts[-1]["timezone"] = "Asia/Kathmandu"  # a period that begins at a quarter past
    use(world, "everything", ("08-04T03:00", "7"), ("08-05T09:16", "4"), ("08-06T01:00", "12"))
    use(world, "everything", ("08-04T05:00", "3"), ("08-07T01:00", "9"), meter_id="calls")
    world.write(
        "intervals/everything.csv",
        [
            run("everything", "a", "07-31T18:14:00", "07-31T18:16:30", memory_mib=1024),
            run("everything", "b", "08-05T08:59:59.5", "08-05T09:20:00.25", memory_mib=4096),
            run("everything", "c", "08-20T11:59:00", None, memory_mib=2048),
        ],
    )
    levels = [("07-30T10:00:00", 3 * 2**30 + 1), ("08-05T09:30:01", 2**30), ("08-18T00:00:00", 5)]
    world.write(
        "gauges/everything.csv",
        [
            {
                "sampled_at": f"2026-{at}Z",
                "account_ref": "everything",
                "resource_id": "bucket",
                "bytes": size,
            }
            for at, size in levels
        ],
    )
    numbers = [("08-03T00:30", "5"), ("08-05T09:17", "-7"), ("08-05T10:00", "4.04")]
    for meter_id in ("sum", "unique_count", "max", "weighted_sum", "tenths"):
        tell(world, "everything", meter_id, *numbers)


def test_the_running_amount_ends_at_the_statement(built: World) -> None:
    """Rated by the hour, a period with everything in it comes to what its statement says.

    That it does is a test of the models (`assert_gate_hours_end_at_the_statement`), which has
    passed when this one runs; here is that the account was rated by the hour at all.
    """
    allowed, code, _ = gate(built, "everything")
    assert (allowed, code) == (False, "included_exhausted")
    lines = built.lines("everything", statement_period="2026-08")
    rated = {line["charge_key"] for line in lines if line["charge_class"] == "usage"}
    assert rated == {
        *("seconds", "memory", "stored", "packs", "fees", "users", "peak", "level", "tenths"),
        "calls",
    }


# --- Spending caps --------------------------------------------------------------------------


@written
def _caps(world: World) -> None:
    told = (("08-04T09:30", "40"), ("08-05T17:15", "30"))
    for name, more in {
        "default": {"on_demand": "true"},
        "own": {"on_demand": "true", "spending_cap": "10.00"},
        "higher": {"on_demand": "true", "spending_cap": "50.01"},
        "not-demand": {"on_demand": "false", "spending_cap": "500"},
    }.items():
        account(world, name, "capped", **more)
        use(world, name, *told)
    account(world, "uncapped", "pages", on_demand="true")
    use(world, "uncapped", *told)


def test_a_spending_cap_is_for_what_is_beyond_the_included(built: World) -> None:
    """The plan's default cap, or the subscription's own; on demand only."""
    # 20.00 included. By 10:00 on the 4th 40.00: 20.00 beyond; by 18:00 on the 5th 70.00: 50.00.
    assert gate(built, "default") == (False, "spending_cap_reached", "08-05T18:00:00")
    assert reason(built, "default") == (
        "Usage of 70.00 usd has reached the spending cap of 50.00 usd"
        " beyond the included 20.00 usd."
    )
    assert gate(built, "own") == (False, "spending_cap_reached", "08-04T10:00:00")
    assert gate(built, "higher") == (True, "ok", "08-01T00:00:00")
    assert gate(built, "not-demand") == (False, "included_exhausted", "08-04T10:00:00")
    assert gate(built, "uncapped") == (True, "ok", "08-01T00:00:00")


# --- Payment --------------------------------------------------------------------------------


@written
def _payment(world: World) -> None:
    account(world, "no-card", "fee", customer=False)
    account(world, "no-card-used", "pages", customer=False)
    use(world, "no-card-used", ("08-06T03:10", "2"), ("08-06T09:10", "2"))
    account(world, "no-card-free", "free", customer=False)
    world.write("intervals/ncf.csv", [run("no-card-free", "a", "08-03T10:00:00", "08-03T10:08:19")])
    account(world, "no-card-beyond", "capped", customer=False, on_demand="true")
    use(world, "no-card-beyond", ("08-07T00:00", "20"), ("08-07T05:59", "1"))
    for name in ("late", "tried", "given-up", "not-due", "settled"):
        account(world, name, "pages")
    due = int(utc("2026-08-15T09:00:00").timestamp())
    invoice = {"object": "invoice", "currency": "usd", "status": "open", "total": 4900}
    known = {"created": due - 999, "fetched_at": "2026-08-16T00:00:00Z"}
    told = [
        {"customer": "cus_late", "due_date": due, "amount_remaining": 905},
        {"customer": "cus_tried", "attempted": True, "status_transitions": {"finalized_at": due}},
        {"customer": "cus_given-up", "due_date": due, "status": "uncollectible"},
        {"customer": "cus_not-due", "due_date": due + 999_999},
        {"customer": "cus_not-due", "attempted": False},
        {"customer": "cus_settled", "due_date": due, "status": "paid"},
    ]
    world.write(
        "stripe/invoices/august.ndjson",
        [{"id": f"in_{n}"} | invoice | known | each for n, each in enumerate(told)],
    )


def test_a_plan_that_wants_money_wants_a_customer_at_stripe(built: World) -> None:
    """At once for a base amount; for usage, from the hour in which it was no longer covered."""
    assert gate(built, "no-card") == (False, "payment_required", "08-01T00:00:00")
    assert reason(built, "no-card") == (
        "The plan fee costs 20.00 usd and the account has no Stripe customer."
    )
    assert gate(built, "no-card-used") == (False, "payment_required", "08-06T04:00:00")
    assert reason(built, "no-card-used") == (
        "Usage of 4.00 usd is to be paid and the account has no Stripe customer."
    )
    # 499 s = 4.99 of the included 5.00.
    assert gate(built, "no-card-free") == (True, "ok", "08-01T00:00:00")
    # 20.00 are included: the 21st page, by 06:00.
    assert gate(built, "no-card-beyond") == (False, "payment_required", "08-07T06:00:00")


def test_an_unpaid_invoice_shuts_the_gate_when_it_was_due(built: World) -> None:
    """Open past its due date, tried in vain, or given up; not one that is not due or is paid."""
    assert gate(built, "late") == (False, "payment_required", "08-15T09:00:00")
    assert reason(built, "late") == (
        "Invoice in_0 of 9.05 usd is unpaid; it was due at 2026-08-15T09:00:00.000000Z."
    )
    assert gate(built, "tried") == (False, "payment_required", "08-15T09:00:00")
    assert gate(built, "given-up") == (False, "payment_required", "08-15T09:00:00")
    assert gate(built, "not-due") == (True, "ok", "08-01T00:00:00")
    assert gate(built, "settled") == (True, "ok", "08-01T00:00:00")


# --- What runs now --------------------------------------------------------------------------


@written
def _running(world: World) -> None:
    account(world, "full", "pair")
    world.write(
        "intervals/full.csv",
        [
            run("full", "a", "08-18T08:00:00", None),
            run("full", "b", "08-19T07:00:00", "08-19T08:00:00"),
            # The count stays at two from 22:00 over midnight, whichever sandboxes they are.
            run("full", "c", "08-19T22:00:00", "08-20T09:00:00"),
            run("full", "d", "08-20T09:00:00", None),
        ],
    )
    account(world, "room", "pair")
    world.write(
        "intervals/room.csv",
        [
            run("room", "a", "08-20T08:00:00", None),
            run("room", "b", "08-20T08:00:00", "08-20T12:00:00"),
        ],
    )
    account(world, "large", "pair")
    world.write("intervals/large.csv", [run("large", "a", "08-20T11:00:00", None, memory_mib=2048)])


def test_at_its_limit_an_account_may_start_no_more(built: World) -> None:
    """Since it has been at the limit without a break; what stopped makes room."""
    assert gate(built, "full") == (False, "plan_limit_concurrency", "08-19T22:00:00")
    assert reason(built, "full") == "2 sandboxes run and the plan allows 2 at once."
    # Its second sandbox stopped at the as-of itself.
    assert gate(built, "room") == (True, "ok", "08-01T00:00:00")


def test_a_size_that_is_not_allowed_is_told_and_shuts_nothing(built: World) -> None:
    """The account may go on; fct_limit_violations has the seconds."""
    assert gate(built, "large") == (True, "plan_limit_size", "08-20T11:00:00")
    assert reason(built, "large") == (
        "A sandbox of 2048 MiB runs, a size that the plan does not allow."
    )
    seconds = built.value(
        "select sum(seconds) from marts.fct_limit_violations where account_id = 'large'"
    )
    assert seconds == 3600


@written
def _several(world: World) -> None:
    account(world, "several", "capped", customer=False)
    use(world, "several", ("08-04T09:30", "40"))


def test_payment_comes_before_what_is_exhausted(built: World) -> None:
    """An account with several reasons shows the one that the order of codes names first."""
    # Exhausted and unpayable in the same hour.
    assert gate(built, "several") == (False, "payment_required", "08-04T10:00:00")


# --- Other clocks ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clocks(new_world: Callable[[], World]) -> World:
    """Accounts whose gate opens and shuts as time goes by."""
    world = new_world()
    set_up(world)
    account(world, "moved", "capped")
    use(world, "moved", ("08-04T09:10", "5"), ("08-06T09:10", "15"))
    account(world, "raised", "capped", on_demand="true", spending_cap="10")
    use(world, "raised", ("08-04T09:10", "35"))
    world.build("2026-08-06T09:00:00Z")
    return world


def test_gates_open_and_shut_as_time_goes_by(clocks: World) -> None:
    """As-of before and after, late usage, a raised cap, the next period, and the past again."""
    world = clocks
    ok = (True, "ok", "08-01T00:00:00")
    # 5.00 of 20.00; the other account is at 35.00 of 20.00 + 10.00.
    assert gate(world, "moved") == ok
    assert gate(world, "raised") == (False, "spending_cap_reached", "08-04T10:00:00")

    # Reached in an hour that is not over: not later than the as-of.
    world.build("2026-08-06T09:40:00Z")
    assert gate(world, "moved") == (False, "included_exhausted", "08-06T09:40:00")
    world.build("2026-08-06T12:00:00Z")
    assert gate(world, "moved") == (False, "included_exhausted", "08-06T10:00:00")

    # Usage of the 5th that is told on the 7th: 5 + 15 by 21:00 of the 5th.
    use(world, "moved", ("08-05T20:10", "15"))
    world.subscriptions[-1]["spending_cap"] = "15.01"
    world.build("2026-08-07T00:00:00Z")
    assert gate(world, "moved") == (False, "included_exhausted", "08-05T21:00:00")
    assert gate(world, "raised") == ok
    before = world.digests()
    world.build("2026-08-07T00:00:00Z", full_refresh=True)
    assert world.digests() == before

    world.build("2026-09-01T00:00:00Z")
    opened = (True, "ok", "09-01T00:00:00")
    assert [gate(world, name) for name in ("moved", "raised")] == [opened, opened]

    # The late records tell no time of their own but that of the usage: known since the 5th.
    world.build("2026-08-06T09:00:00Z")
    assert gate(world, "moved") == (False, "included_exhausted", "08-05T21:00:00")
    world.build("2026-08-05T20:00:00Z")
    assert gate(world, "moved") == ok
