"""Meters of quantities and of events, and random charges of every model on them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from world import Row

PAID = "com.example.paid"
ROUNDED: dict[str, Row] = {
    "units": {"mode": "none"},
    "units_up": {"mode": "up", "places": 0},
    "units_tenths": {"mode": "half_up", "places": 1},
}


def all_meters() -> list[Row]:
    """Meters of records of quantities/, and of events whose amounts are paid or counted."""
    measured = [
        {"meter_id": name, "source": "quantities", "unit": "unit", "rounding": rounding}
        for name, rounding in ROUNDED.items()
    ]
    events: Row = {"source": "events", "event_type": PAID, "unit": "dollar"}
    paid = events | {"meter_id": "paid", "aggregation": "sum", "value": "$.paid"}
    count = events | {"meter_id": "calls", "aggregation": "count"}
    return [*measured, paid, count]


def priced(model: str, meter: str = "units", /, **properties: Any) -> Row:
    """A charge of a model; its key is given by the case."""
    return {"meter_id": meter, "model": model, "properties": properties}


def decimals(random: Random, highest: int, places: int = 2) -> str:
    """A decimal from zero to `highest` with at most so many places."""
    return str(Decimal(random.randrange(highest * 10**places + 1)).scaleb(-places))


def random_tiers(random: Random) -> list[str | None]:
    """Upper bounds that ascend, the last one open."""
    bounds = sorted({random.randrange(1, 2000) for _ in range(random.randrange(4))})
    return [*(str(bound) for bound in bounds), None]


def random_properties(random: Random, model: str) -> Row:
    """Properties of a model, all of its keys given or not by chance."""
    if model == "standard":
        return {"unit_amount": decimals(random, 5, 4)}
    if model == "package":
        return {
            "package_size": str(random.randrange(1, 400) / Decimal(2)),
            "amount": decimals(random, 20),
            "free_units": str(random.choice([0, 0, 100])),
            "rounding": random.choice(["up", "down"]),
        }
    if model == "percentage":
        optional = {
            "fixed_amount": decimals(random, 2),
            "free_units_per_events": random.randrange(5),
            "per_transaction_min_amount": decimals(random, 2),
            "per_transaction_max_amount": str(2 + random.randrange(10)),
            "free_units_per_total_aggregation": str(random.randrange(1000)),
        }
        given = {key: value for key, value in optional.items() if random.random() < 0.4}
        return {"rate_percent": decimals(random, 10)} | given
    prices: Callable[[], Row] = {
        "graduated": lambda: {
            "unit_amount": decimals(random, 5, 4),
            "flat_amount": decimals(random, 9),
        },
        "graduated_percentage": lambda: {
            "rate_percent": decimals(random, 9),
            "flat_amount": decimals(random, 9),
        },
        "package": lambda: {
            "package_size": str(random.randrange(1, 400)),
            "amount": decimals(random, 9),
        },
    }[model.replace("volume", "graduated").replace("graduated_package", "package")]
    rows = [{"up_to": up_to} | prices() for up_to in random_tiers(random)]
    has_zero = model in {"graduated", "volume"}
    zero = random.choice(["charge_first_tier_flat", "no_charge"])
    return {"tiers": rows} | ({"zero_usage": zero} if has_zero else {})


MODELS = (
    "standard",
    "graduated",
    "volume",
    "package",
    "graduated_package",
    "volume_package",
    "percentage",
    "graduated_percentage",
)


def random_charge(random: Random, model: str) -> Row:
    """A charge of a model, with an included quantity or a transform by chance."""
    meter = random.choice(["units", "units_up", "units_tenths", "paid", "calls"])
    found = priced(model, meter, **random_properties(random, model))
    if random.random() < 0.3:
        found["included_quantity"] = str(random.randrange(1, 600))
    if random.random() < 0.3:
        found["transform"] = {
            "operation": random.choice(["divide", "multiply"]),
            "factor": random.choice(["60", "1000", "0.5", "3", "7"]),
            "rounding": random.choice(["none", "up", "down", "half_up"]),
        }
    return found
