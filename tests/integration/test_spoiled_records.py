"""Spoiled records between good ones, through a whole build: the good ones are billed, to the cent.

`tests/unit/ingest/test_mutations.py` spoils every source; here are fewer examples, all in one
landing zone, and each with an account of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from world import Row, World, charge, e2b, interval, meters, plan, quantity, scale_event, version

from tests.mutations import spoil_text, spoil_values

pytestmark = pytest.mark.integration

SEEDS = range(8)
GOOD = 5
START, END = "2026-08-03T10:00:00Z", "2026-08-03T10:01:00Z"

Make = Callable[[str, str], Row]

# The n-th record of an account: a minute of one sandbox, two units, or an object.
MAKE: dict[str, Make] = {
    "e2b": lambda account, n: e2b("killed", END, f"e-{n}", customer=account, ran_ms=60_000),
    "opencomputer/scale_events": lambda account, n: scale_event(
        f"o-{n}", account, f"o-{n}", START, END
    ),
    "intervals": lambda account, n: interval(f"i-{n}", account, f"i-{n}", START, END),
    "quantities": lambda account, n: quantity(f"q-{n}", account, "pages", "2", START, END),
    "stripe/customers": lambda account, n: {"id": f"cus_{n}", "created": 1_785_571_200},
    "stripe/invoices": lambda account, n: {
        "id": f"in_{n}", "customer": f"cus_{account}", "created": 1_785_571_200,
        "currency": "usd", "status": "paid", "period_start": 1_785_542_400,
        "period_end": 1_788_220_800, "total": 100, "subtotal": 100,
    },
}  # fmt: skip


def lines_of(random: Random, make: Make, account: str) -> bytes:
    """Good lines of an account, and spoiled ones of others between them."""
    lines = []
    for number in range(GOOD):
        lines.append(json.dumps(make(account, f"{account}-{number}")).encode())
        for turn in range(random.randrange(3)):
            other = make("spoiled", f"spoiled-{account}-{number}-{turn}")
            if random.random() < 0.6:
                lines.append(json.dumps(spoil_values(random, other)).encode())
            else:
                lines.append(spoil_text(random, json.dumps(other).encode()))
    return b"\n".join(lines)


@pytest.fixture(scope="module")
def built(new_world: Callable[[], World]) -> World:
    """The world with every example in it."""
    world = new_world()
    world.meters = meters("pages")
    charges = [charge("seconds", "sandbox_seconds"), charge("pages", "pages", "0.50")]
    world.plans.append(plan("both", version("2026-01-01T00:00:00Z", charges)))
    world.account("spoiled", plan_id=None)
    for seed in SEEDS:
        world.account(f"a{seed}", plan_id="both")
        for source, make in MAKE.items():
            name = f"{source}/{seed}.jsonl"
            world.write(name, lines_of(Random(f"{seed} {source}"), make, f"a{seed}"))
    world.build("2026-09-02T00:00:00Z")
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_good_records_are_billed_beside_spoiled_ones(built: World, seed: int) -> None:
    """Nothing more and nothing less than what the good records say."""
    lines = {
        line["charge_key"]: (line["quantity"], line["amount_minor"])
        for line in built.lines(f"a{seed}", charge_class="usage")
    }
    # 5 records x 60 s of three sources = 900 s x 1 cent; 5 x 2 pages x 50 cents.
    assert lines == {"seconds": (900, 900), "pages": (10, 500)}


def test_spoiled_records_have_their_reasons_and_every_row_its_disposition(built: World) -> None:
    quarantine = built.quarantine()
    assert {row["source"] for row in quarantine} == {*MAKE}
    assert all(row["reason"] for row in quarantine)
    wrong: list[dict[str, Any]] = built.query(
        """
        select loads.file, loads.records, sum(dispositions.rows)::bigint as accounted
        from ops.loads as loads
        left join marts.fct_row_dispositions as dispositions using (source, file, content_sha256)
        group by all having loads.records <> coalesce(accounted, 0)
        """
    )
    assert wrong == []
