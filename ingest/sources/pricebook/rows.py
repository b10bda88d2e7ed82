"""The rows of the price book: what the four raw.pricebook_* tables hold.

Amounts are exact decimals in major currency units, times UTC, `file` the path inside the landing
zone. A field is a column of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ingest.sources.pricebook.grammar import (
    Charge,
    Meter,
    Plan,
    Section,
    Standard,
    Tier,
    Tiered,
    Version,
    plain,
)
from ingest.values import canonical_json


@dataclass(frozen=True)
class MeterRow:
    """One row of raw.pricebook_meters; `file` is the path inside the landing zone."""

    file: str
    meter_id: str
    source: str
    measure: str | None
    unit: str | None
    stripe_event_name: str | None
    event_type: str | None
    aggregation: str | None
    value_path: str | None
    rounding_mode: str
    rounding_places: int


@dataclass(frozen=True)
class VersionRow:
    """One row of raw.pricebook_versions. Amounts are major units; `limits` and `alerts_percent`
    canonical JSON text."""

    file: str
    plan_id: str
    plan_name: str
    plan_version: str
    valid_from: datetime
    published_at: datetime
    currency: str
    interval: str
    base_amount: Decimal
    annual_discount_percent: Decimal | None
    minimum_amount: Decimal | None
    maximum_amount: Decimal | None
    included_amount: Decimal | None
    threshold_amount: Decimal | None
    max_concurrent_sandboxes: int | None
    limits: str | None
    alerts_percent: str | None
    default_spending_cap: Decimal | None


@dataclass(frozen=True)
class ChargeRow:
    """One row of raw.pricebook_charges. `where_dimensions` and `properties` are canonical JSON text
    with every decimal as a string; `charge_order` counts from 1 within the version."""

    file: str
    plan_id: str
    plan_version: str
    charge_key: str
    charge_order: int
    meter_id: str
    where_dimensions: str
    stripe_event_name: str | None
    included_quantity: Decimal
    model: str
    properties: str
    percentage_discount: Decimal | None
    transform_operation: str | None
    transform_factor: Decimal | None
    transform_rounding: str | None
    zero_usage: str | None


@dataclass(frozen=True)
class TierRow:
    """One row of raw.pricebook_tiers: units above `from_quantity`, up to and with `up_to`
    (None: no end). A standard price is one tier."""

    file: str
    plan_id: str
    plan_version: str
    charge_key: str
    tier_index: int
    from_quantity: Decimal
    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal


Row = MeterRow | VersionRow | ChargeRow | TierRow

# File, plan_id and plan_version of a charge.
Owner = tuple[str, str, str]


@dataclass(frozen=True)
class PriceBook:
    """A valid price book, each tuple in the order of its key."""

    meters: tuple[MeterRow, ...] = ()
    versions: tuple[VersionRow, ...] = ()
    charges: tuple[ChargeRow, ...] = ()
    tiers: tuple[TierRow, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 (hexadecimal) of what the book says, however it is spread over files."""
        content = {table: [_said(row) for row in rows] for table, rows in self.tables()}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()

    def tables(self) -> Iterator[tuple[str, Sequence[Row]]]:
        """The rows with the name of their table in schema raw."""
        yield "pricebook_meters", self.meters
        yield "pricebook_versions", self.versions
        yield "pricebook_charges", self.charges
        yield "pricebook_tiers", self.tiers


def _said(row: Row) -> dict[str, str | int | None]:
    """A row without the file it came from, each value in its one text."""
    return {key: _canonical(value) for key, value in asdict(row).items() if key != "file"}


def _canonical(value: Decimal | datetime | str | int | None) -> str | int | None:
    if isinstance(value, Decimal):
        return plain(value)
    return utc_text(value) if isinstance(value, datetime) else value


def utc_text(instant: datetime) -> str:
    """The one text of a time: `2026-04-22T00:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def version_key(row: VersionRow | ChargeRow | TierRow) -> tuple[str, str]:
    """What a row belongs to: plan_id and plan_version."""
    return (row.plan_id, row.plan_version)


def meter_row(file: str, meter: Meter) -> MeterRow:
    """The row of a meter."""
    return MeterRow(
        file=file,
        meter_id=meter.meter_id,
        source=meter.source,
        measure=meter.measure,
        unit=meter.unit,
        stripe_event_name=meter.stripe_event_name,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value_path=meter.value,
        rounding_mode=meter.rounding.mode if meter.rounding else "none",
        rounding_places=meter.rounding.places if meter.rounding else 0,
    )


def version_row(file: str, plan: Plan, version: Version) -> VersionRow:
    """The row of a plan version; what it does not give stays null."""
    limits, alerts = version.limits, version.alerts_percent
    return VersionRow(
        file=file,
        plan_id=plan.plan_id,
        plan_name=plan.name or plan.plan_id,
        plan_version=utc_text(version.valid_from),
        valid_from=version.valid_from,
        published_at=version.published_at or version.valid_from,
        currency=version.currency,
        interval=version.interval,
        base_amount=version.base_amount,
        annual_discount_percent=version.annual_discount_percent,
        minimum_amount=version.minimum_amount,
        maximum_amount=version.maximum_amount,
        included_amount=version.included_amount,
        threshold_amount=version.threshold_amount,
        max_concurrent_sandboxes=limits.max_concurrent_sandboxes if limits else None,
        limits=_given(limits) if limits else None,
        alerts_percent=canonical_json(alerts) if alerts is not None else None,
        default_spending_cap=version.default_spending_cap,
    )


def charge_row(
    owner: Owner, order: int, charge: Charge, properties: Section, where: dict[str, Any]
) -> ChargeRow:
    """The row of a charge; `order` counts from 1, `where` has the values of dimensions."""
    file, plan_id, plan_version = owner
    transform = charge.transform
    return ChargeRow(
        file=file,
        plan_id=plan_id,
        plan_version=plan_version,
        charge_key=charge.charge_key,
        charge_order=order,
        meter_id=charge.meter_id,
        where_dimensions=_dimensions(where),
        stripe_event_name=charge.stripe_event_name,
        included_quantity=charge.included_quantity,
        model=charge.model,
        properties=_given(properties),
        percentage_discount=charge.percentage_discount,
        transform_operation=transform.operation if transform else None,
        transform_factor=transform.factor if transform else None,
        transform_rounding=transform.rounding if transform else None,
        zero_usage=properties.zero_usage if isinstance(properties, Tiered) else None,
    )


def tier_rows(owner: Owner, charge_key: str, properties: Section) -> list[TierRow]:
    """Tiers of the models whose price is an amount a unit; other models have properties only."""
    file, plan_id, plan_version = owner
    if isinstance(properties, Tiered):
        tiers = properties.tiers
    elif isinstance(properties, Standard):
        # Built from checked values, so not validated again.
        tiers = [Tier.model_construct(up_to=None, unit_amount=properties.unit_amount)]
    else:
        return []
    lower = [Decimal(0), *(tier.up_to or Decimal(0) for tier in tiers)]
    return [
        TierRow(
            file=file,
            plan_id=plan_id,
            plan_version=plan_version,
            charge_key=charge_key,
            tier_index=index + 1,
            from_quantity=lower[index],
            up_to=tier.up_to,
            unit_amount=tier.unit_amount,
            flat_amount=tier.flat_amount,
        )
        for index, tier in enumerate(tiers)
    ]


def _given(section: Section) -> str:
    """Canonical JSON of the keys that the book gives; decimals as strings."""
    return canonical_json(_plain_values(section.model_dump(exclude_unset=True)))


def _plain_values(value: Any) -> Any:
    if isinstance(value, dict):
        # A tier without an upper bound says so; any other null is the same as not given.
        return {
            key: _plain_values(inner)
            for key, inner in value.items()
            if inner is not None or key == "up_to"
        }
    if isinstance(value, list):
        return [_plain_values(inner) for inner in value]
    return plain(value) if isinstance(value, Decimal) else value


def _dimensions(where: dict[str, Any]) -> str:
    """Canonical JSON as dimensions are written: a decimal stands bare, without trailing zeros."""
    texts = (
        (key, plain(value) if isinstance(value, Decimal) else canonical_json(value))
        for key, value in sorted(where.items())
    )
    return "{" + ",".join(f"{canonical_json(key)}:{text}" for key, text in texts) + "}"
