"""FOCUS files (versions 1.0 to 1.3): what a provider charges us, one row a charge.

Costs are in the billing currency's major unit and may be negative: a correction is a row of its own
that adds to the earlier ones. Rows have no id. The names in reasons are those of the format.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_pascal

from ingest import records as sql
from ingest.records import TIMESTAMP, Origin, RecordSource
from ingest.sources.flat import Field, FlatShape
from ingest.values import (
    OptionalText,
    OptionalTime,
    Record,
    Time,
    is_absent,
    parse_json,
    read_decimal,
    read_text,
    scalar_text,
    shown,
)

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
CORRECTION = "Correction"
WIDTH, PLACES = 38, 18
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)

# More digits than a double has: what a file says is read whole before it is rounded.
_EXACT = Context(prec=500, rounding=ROUND_HALF_UP)
_LAST_PLACE = Decimal(1).scaleb(-PLACES)

_TEXTS = (
    "publisher_name",
    "invoice_issuer_name",
    "billing_account_id",
    "sub_account_id",
    "charge_class",
    "charge_frequency",
    "service_name",
    "service_category",
    "service_subcategory",
    "region_id",
    "resource_id",
    "resource_name",
    "resource_type",
    "sku_id",
    "sku_meter",
    "sku_price_id",
    "sku_price_details",
    "consumed_unit",
    "pricing_unit",
    "tags",
)
_AMOUNTS = (
    "consumed_quantity",
    "pricing_quantity",
    "effective_cost",
    "list_cost",
    "list_unit_price",
)


def _text(column: str, required: bool = False) -> Field:
    return Field(column, "text", (to_pascal(column),), required=required)


def _time(column: str, required: bool = False) -> Field:
    return Field(column, "time", (to_pascal(column),), required=required)


def _amount(column: str, required: bool = False) -> Field:
    return Field(column, "decimal", (to_pascal(column),), required=required, bounds=(WIDTH, PLACES))


def _plain_object_or_none(column: str) -> str:
    """SQL: absent, or a JSON object of single values without a repeated key."""
    keys = f"json_keys({sql.strict_object(column)})"
    nested = sql.literal(r".[{\[]")
    return (
        f"({column} is null or coalesce(len({keys}) = len(list_distinct({keys})), false)"
        f" and not regexp_matches({column}, {nested}, 's'))"
    )


_SHAPE = FlatShape(
    fields=(
        # Since 1.3 the first of these names; the second went with 1.4.
        Field("provider_name", "text", ("ServiceProviderName", "ProviderName"), required=False),
        _time("charge_period_start", required=True),
        _time("charge_period_end", required=True),
        _time("billing_period_start"),
        _time("billing_period_end"),
        _text("charge_category", required=True),
        _text("billing_currency", required=True),
        _amount("billed_cost", required=True),
        *(_text(column) for column in _TEXTS),
        *(_amount(column) for column in _AMOUNTS),
    ),
    known_at="charge_period_end",
    condition=" and ".join(
        [
            "charge_period_end >= charge_period_start",
            f"list_contains({sql.text_list(CATEGORIES)}, charge_category)",
            f"coalesce(charge_class = {sql.literal(CORRECTION)}, true)",
            "regexp_full_match(billing_currency, '[A-Za-z]{3}')",
            _plain_object_or_none("tags"),
            _plain_object_or_none("sku_price_details"),
        ]
    ),
)


def read_amount(value: object) -> Decimal:
    """A decimal of either sign, rounded half away from zero where it has more than 18 places."""
    negative = False
    if isinstance(value, str) and value.startswith("-") and value[1:2] not in {"+", "-"}:
        negative, value = True, value[1:]
    elif isinstance(value, int | Decimal) and not isinstance(value, bool) and value < 0:
        negative, value = True, abs(value) if isinstance(value, int) else value.copy_abs()
    try:
        number = read_decimal(value, WIDTH, PLACES)
    except ValueError:
        # A cost from a floating column: exact to 400 places, then rounded once.
        exact = read_decimal(value, WIDTH - PLACES + 400, 400)
        number = exact.quantize(_LAST_PLACE, context=_EXACT)
        number = read_decimal(number, WIDTH, PLACES)
    return number.copy_negate() if negative and number else number


def _optional_amount(value: object) -> Decimal | None:
    return None if is_absent(value) else read_amount(value)


def _needed_amount(value: object) -> Decimal:
    if is_absent(value):
        raise ValueError("is missing")
    return read_amount(value)


def _category(value: object) -> str:
    text = read_text(value)
    if text not in CATEGORIES:
        raise ValueError(f"must be one of {', '.join(CATEGORIES)}, not {shown(text)}")
    return text


def _charge_class(value: object) -> str | None:
    if is_absent(value):
        return None
    text = read_text(value)
    if text != CORRECTION:
        raise ValueError(f"must be {CORRECTION} or nothing, not {shown(text)}")
    return text


def _currency(value: object) -> str:
    text = read_text(value)
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"must be three letters, not {shown(text)}")
    return text


def _object_text(value: object) -> str | None:
    """The text of a JSON object; one that came as text stays as it came."""
    if is_absent(value):
        return None
    if isinstance(value, dict):
        return read_text(scalar_text(value))
    if not isinstance(value, str) or not isinstance(parse_json(read_text(value)), dict):
        raise ValueError(f"must be a JSON object, not {shown(value)}")
    return value


Amount = Annotated[Decimal | None, BeforeValidator(_optional_amount)]
ObjectText = Annotated[str | None, BeforeValidator(_object_text)]


class FocusCost(Record):
    """One charge of a provider; costs in major units of the billing currency, either sign."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal)

    provider_name: OptionalText
    charge_period_start: Time
    charge_period_end: Time
    billing_period_start: OptionalTime
    billing_period_end: OptionalTime
    charge_category: Annotated[str, BeforeValidator(_category)]
    billing_currency: Annotated[str, BeforeValidator(_currency)]
    billed_cost: Annotated[Decimal, BeforeValidator(_needed_amount)]
    publisher_name: OptionalText
    invoice_issuer_name: OptionalText
    billing_account_id: OptionalText
    sub_account_id: OptionalText
    charge_class: Annotated[str | None, BeforeValidator(_charge_class)]
    charge_frequency: OptionalText
    service_name: OptionalText
    service_category: OptionalText
    service_subcategory: OptionalText
    region_id: OptionalText
    resource_id: OptionalText
    resource_name: OptionalText
    resource_type: OptionalText
    sku_id: OptionalText
    sku_meter: OptionalText
    sku_price_id: OptionalText
    sku_price_details: ObjectText
    consumed_unit: OptionalText
    pricing_unit: OptionalText
    tags: ObjectText
    consumed_quantity: Amount
    pricing_quantity: Amount
    effective_cost: Amount
    list_cost: Amount
    list_unit_price: Amount

    @model_validator(mode="after")
    def _runs_forward(self) -> FocusCost:
        if self.charge_period_end < self.charge_period_start:
            raise ValueError("ChargePeriodEnd is before ChargePeriodStart")
        return self

    @property
    def known_at(self) -> datetime:
        """When the charged time was over."""
        return self.charge_period_end


def read_cost(record: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The row of one charge. Raises ValueError with the reason when it is not one.

    All times of the format are UTC; a table's column of times may say so or not.
    """
    picked = {to_pascal(column): value for column, value in _SHAPE.pick(record).items()}
    cost = FocusCost.model_validate(picked, context={"utc_if_naive": origin.is_table})
    return cost.model_dump() | {"known_at": cost.known_at}


def _arrow_type(field: Field) -> pa.DataType:
    if field.kind == "time":
        return TIMESTAMP
    return pa.decimal128(WIDTH, PLACES) if field.kind == "decimal" else pa.string()


COSTS = RecordSource(
    table="raw.focus_costs",
    columns={field.column: _arrow_type(field) for field in _SHAPE.fields},
    read=read_cost,
    required_columns=[field.names for field in _SHAPE.fields if field.required],
    json_sql=_SHAPE.json_sql,
    table_sql=_SHAPE.table_sql,
)
