"""The grammar of the price book: a class for each mapping, one for each model's properties.

Amounts and rates are quoted decimal strings in major currency units; quantities (`up_to`, package
sizes, included quantities) are quoted decimals or whole numbers. All values are zero or more.
What needs more than one mapping to decide is checked in `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ingest.sources.pricebook.yaml_lines import Unquoted

AMOUNT_PLACES = 18
# A rate over 100, the amount of a unit, must fit an amount.
RATE_PLACES = 16
QUANTITY_PLACES = 12
_DIGITS = 38
_EVENT_NAME_LENGTH = 100
_LARGEST_INTEGER = 2**31 - 1

_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d+)?\s?(Z|z|[+-]\d{2}:\d{2})?")
_PATH = r"^\$(\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]+\])+$"


def wrong(message: str) -> PydanticCustomError:
    """A validation error with exactly this message."""
    return PydanticCustomError("price_book", "{message}", {"message": message})


def shown(value: object) -> str:
    """What stands in the file, for a message."""
    if value is None:
        return "null"
    if isinstance(value, Unquoted):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)


def plain(number: Decimal) -> str:
    """Fixed point without trailing zeros: the one text of a number."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: object, places: int, what: str) -> Decimal:
    match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"must be a {what} in plain decimals, not {shown(value)}")
    sign, whole, fraction = match[1], match[2].lstrip("0"), (match[3] or "").rstrip("0")
    if sign and (whole or fraction):
        raise wrong(f"must not be negative: {value}")
    if len(fraction) > places:
        raise wrong(f"has {len(fraction)} decimal places, more than {places}: {value}")
    room = _DIGITS - places
    if len(whole) > room:
        raise wrong(f"has {len(whole)} digits before the point, more than {room}: {value}")
    return Decimal(f"{whole or '0'}.{fraction}" if fraction else whole or "0")


def _amount(value: object, places: int = AMOUNT_PLACES) -> Decimal:
    if isinstance(value, (int, Unquoted)) and not isinstance(value, bool):
        text = shown(value)
        raise wrong(f'must be a quoted decimal string: write "{text}" instead of {text}')
    return _decimal(value, places, "quoted decimal string")


def _quantity(value: object) -> Decimal:
    if isinstance(value, Unquoted):
        raise wrong(f'must be quoted or whole: write "{value.text}" instead of {value.text}')
    as_text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return _decimal(as_text, QUANTITY_PLACES, "quantity")


def _count(value: object) -> object:
    is_whole = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)
    return int(str(value)) if is_whole else value


def _above_zero(number: Decimal) -> Decimal:
    if number == 0:
        raise wrong("must be above zero")
    return number


def _percent_of_whole(value: object) -> Decimal:
    number = _amount(value)
    if number > 100:
        raise wrong(f"must be at most 100 percent: {plain(number)}")
    return number


def _factor(value: object) -> Decimal:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return _above_zero(_amount(str(value) if is_whole else value))


def _instant(value: object) -> datetime:
    example = "write it like 2026-04-22T00:00:00Z"
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        is_date = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)
        what = "has no time and zone" if is_date else "is not a time"
        raise wrong(f"{what}: {shown(value)}; {example}")
    day, clock, fraction, zone = match.groups()
    if zone is None:
        raise wrong(f"has no zone: {shown(value)}; {example}")
    if fraction and fraction.strip(".0"):
        raise wrong(f"must be a whole second: {shown(value)}")
    try:
        return datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(f"is not a time: {shown(value)}; {example}") from None


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{3}", value):
        raise wrong(f"must be a currency of three letters (ISO 4217), like usd, not {shown(value)}")
    return value.lower()


def _identifier(value: object) -> str:
    if isinstance(value, (int, bool, Unquoted)):
        raise wrong(f"must be text: write it in quotes instead of {shown(value)}")
    if not isinstance(value, str):
        raise wrong(f"must be text, not {shown(value)}")
    if not value or value != value.strip() or not value.isprintable():
        raise wrong(f"must be a name on one line without white space around it, not {value!r}")
    return value


def _event_name(value: object) -> str:
    name = _identifier(value)
    if len(name) > _EVENT_NAME_LENGTH:
        raise wrong(f"has {len(name)} characters, more than Stripe's {_EVENT_NAME_LENGTH}")
    return name


def _one_of(values: tuple[str, ...], what: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if isinstance(value, str) and value in values:
            return value
        raise wrong(f"unknown {what} {shown(value)}: must be one of {', '.join(values)}")

    return check


Amount = Annotated[Decimal, BeforeValidator(_amount)]
AmountAboveZero = Annotated[Decimal, BeforeValidator(lambda value: _above_zero(_amount(value)))]
Rate = Annotated[Decimal, BeforeValidator(lambda value: _amount(value, RATE_PLACES))]
Percent = Annotated[Decimal, BeforeValidator(_percent_of_whole)]
Quantity = Annotated[Decimal, BeforeValidator(_quantity)]
# It stands among quantities, which may be quoted or not.
Count = Annotated[int, BeforeValidator(_count), Field(ge=0, le=_LARGEST_INTEGER)]
Size = Annotated[Decimal, BeforeValidator(lambda value: _above_zero(_quantity(value)))]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Currency = Annotated[str, BeforeValidator(_currency)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
EventName = Annotated[str, BeforeValidator(_event_name)]
JsonPath = Annotated[str, Field(pattern=_PATH)]

ModelName = Literal[
    "standard",
    "graduated",
    "volume",
    "package",
    "graduated_package",
    "volume_package",
    "percentage",
    "graduated_percentage",
    "dynamic",
]
SourceName = Literal["compute", "storage", "quantities", "events"]
RoundingMode = Literal["none", "up", "down", "half_up"]
Aggregation = Literal[
    "sum", "count", "unique_count", "max", "min", "latest", "average", "weighted_sum"
]

MEASURES = {
    "compute": (
        "seconds",
        "cpu_core_seconds",
        "ram_gibi_seconds",
        "ssd_gibi_seconds",
        "gpu_core_seconds",
    ),
    "storage": ("gibi_seconds", "bytes"),
}


class Section(BaseModel):
    """A mapping of the price book: no other keys, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Rounding(Section):
    """How the period's quantity of a meter is rounded; `places` decimals stay."""

    mode: Annotated[RoundingMode, BeforeValidator(_one_of(get_args(RoundingMode), "rounding mode"))]
    places: Annotated[int, Field(ge=0, le=QUANTITY_PLACES)] = 0


class Meter(Section):
    """What is counted. Which of the keys belong to it depends on `source`."""

    meter_id: Identifier
    source: Annotated[SourceName, BeforeValidator(_one_of(get_args(SourceName), "source"))]
    measure: Identifier | None = None
    unit: Identifier | None = None
    stripe_event_name: EventName | None = None
    event_type: Identifier | None = None
    aggregation: (
        Annotated[Aggregation, BeforeValidator(_one_of(get_args(Aggregation), "aggregation"))]
        | None
    ) = None
    value: JsonPath | None = None
    rounding: Rounding | None = None


class Limits(Section):
    """What a plan allows: to run, to work with it, to ask of it."""

    max_concurrent_sandboxes: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None
    allowed_memory_mib: list[Annotated[int, Field(gt=0)]] | None = None
    seats: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None
    requests_per_minute: Annotated[int, Field(ge=0, le=_LARGEST_INTEGER)] | None = None


class Plan(Section):
    """A plan; its versions are validated one by one."""

    plan_id: Identifier
    name: Identifier | None = None
    versions: Annotated[list[Any], Field(min_length=1)]


class Version(Section):
    """A plan from `valid_from` to the next version; its charges are validated one by one."""

    valid_from: Instant
    published_at: Instant | None = None
    currency: Currency
    interval: Annotated[
        Literal["month", "year"], BeforeValidator(_one_of(("month", "year"), "interval"))
    ] = "month"
    base_amount: Amount = Decimal(0)
    annual_discount_percent: Percent | None = None
    minimum_amount: Amount | None = None
    maximum_amount: Amount | None = None
    included_amount: Amount | None = None
    threshold_amount: AmountAboveZero | None = None
    default_spending_cap: Amount | None = None
    limits: Limits | None = None
    alerts_percent: list[Annotated[int, Field(gt=0)]] | None = None
    charges: list[Any] = []


class Transform(Section):
    """What is done to the quantity before it is priced."""

    operation: Annotated[
        Literal["divide", "multiply"], BeforeValidator(_one_of(("divide", "multiply"), "operation"))
    ]
    factor: Annotated[Decimal, BeforeValidator(_factor)]
    rounding: Annotated[
        RoundingMode, BeforeValidator(_one_of(get_args(RoundingMode), "rounding"))
    ] = "none"


class Charge(Section):
    """One priced thing of a plan version; `properties` are validated by the model's own class."""

    charge_key: Identifier
    meter_id: Identifier
    where: dict[str, Any] | None = None
    stripe_event_name: EventName | None = None
    included_quantity: Quantity = Decimal(0)
    model: Annotated[ModelName, BeforeValidator(_one_of(get_args(ModelName), "model"))]
    properties: dict[str, Any]
    percentage_discount: Percent | None = None
    transform: Transform | None = None


class Tier(Section):
    """`up_to` is inclusive and cumulative, null in the last tier."""

    up_to: Size | None
    unit_amount: Amount = Decimal(0)
    flat_amount: Amount = Decimal(0)


class PackageTier(Section):
    up_to: Size | None
    package_size: Size
    amount: Amount


class PercentageTier(Section):
    up_to: Size | None
    rate_percent: Rate = Decimal(0)
    flat_amount: Amount = Decimal(0)


class Standard(Section):
    unit_amount: Amount


class Tiered(Section):
    """Graduated and volume prices."""

    tiers: Annotated[list[Tier], Field(min_length=1)]
    zero_usage: Annotated[
        Literal["charge_first_tier_flat", "no_charge"],
        BeforeValidator(_one_of(("charge_first_tier_flat", "no_charge"), "zero_usage")),
    ] = "charge_first_tier_flat"


class Package(Section):
    package_size: Size
    amount: Amount
    free_units: Quantity = Decimal(0)
    rounding: Annotated[
        Literal["up", "down"], BeforeValidator(_one_of(("up", "down"), "rounding"))
    ] = "up"


class TieredPackage(Section):
    """Graduated and volume packages."""

    tiers: Annotated[list[PackageTier], Field(min_length=1)]


class Percentage(Section):
    """1 is one percent; over the events in time order."""

    rate_percent: Rate
    fixed_amount: Amount = Decimal(0)
    free_units_per_events: Count | None = None
    free_units_per_total_aggregation: Quantity | None = None
    per_transaction_min_amount: Amount | None = None
    per_transaction_max_amount: Amount | None = None

    @property
    def by_transaction(self) -> tuple[str, ...]:
        """The keys given that look at each event; without any, the period's quantity is enough."""
        given = {
            "fixed_amount": self.fixed_amount or None,
            "free_units_per_events": self.free_units_per_events,
            "per_transaction_min_amount": self.per_transaction_min_amount,
            "per_transaction_max_amount": self.per_transaction_max_amount,
        }
        return tuple(key for key, value in given.items() if value is not None)


class GraduatedPercentage(Section):
    tiers: Annotated[list[PercentageTier], Field(min_length=1)]


class Dynamic(Section):
    """The events carry their own amount at this path."""

    amount: JsonPath


PROPERTIES: dict[str, type[Section]] = {
    "standard": Standard,
    "graduated": Tiered,
    "volume": Tiered,
    "package": Package,
    "graduated_package": TieredPackage,
    "volume_package": TieredPackage,
    "percentage": Percentage,
    "graduated_percentage": GraduatedPercentage,
    "dynamic": Dynamic,
}
