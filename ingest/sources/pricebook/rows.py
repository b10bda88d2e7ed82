"""The rows of the price book: what the four raw.pricebook_* tables hold.

Amounts are exact decimals in major currency units, times UTC, `file` the path inside the landing
zone. A field is a column of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ingest.sources.pricebook.grammar import (
    Charge,
    GraduatedPercentage,
    Meter,
    Package,
    Percentage,
    Plan,
    Section,
    Standard,
    Tiered,
    TieredPackage,
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
    default_spending_cap: Decimal | None = None


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
    (None: no end). A standard or dynamic price is one tier; free units are a tier without a price.
    A rate is the amount of a unit; what packages cost is `package_amount` for each."""

    file: str
    plan_id: str
    plan_version: str
    charge_key: str
    tier_index: int
    from_quantity: Decimal
    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal
    package_size: Decimal | None = None
    package_amount: Decimal | None = None
    package_rounding: str | None = None


Row = MeterRow | VersionRow | ChargeRow | TierRow

# File, plan_id and plan_version of a version and its charges.
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
    """A row without the file it came from, each value in its one text.

    A field with a default that it holds is left out: a new one leaves the digest of older books.
    """
    defaults = {field.name: field.default for field in fields(row)}
    return {
        key: _canonical(value)
        for key, value in asdict(row).items()
        if key != "file" and value is not defaults[key]
    }


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


def version_names(versions: Mapping[int, Version]) -> dict[int, str]:
    """The plan_version of each version of one plan, by the same keys.

    A version is named by its start; one in another currency than the plan's earliest version (of
    several at once, the one listed first) has its currency behind that (DECISIONS D58).
    """
    currency = min(
        ((version.valid_from, index, version.currency) for index, version in versions.items()),
        default=(None, 0, ""),
    )[2]
    return {
        index: utc_text(version.valid_from)
        + ("" if version.currency == currency else f"@{version.currency}")
        for index, version in versions.items()
    }


def version_row(owner: Owner, plan: Plan, version: Version) -> VersionRow:
    """The row of a plan version; what it does not give stays null."""
    file, plan_id, plan_version = owner
    limits, alerts = version.limits, version.alerts_percent
    return VersionRow(
        file=file,
        plan_id=plan_id,
        plan_name=plan.name or plan_id,
        plan_version=plan_version,
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
        zero_usage=_zero_usage(properties),
    )


def tier_rows(owner: Owner, charge_key: str, properties: Section) -> list[TierRow]:
    """The tiers of a charge, whatever its model; at least one."""
    file, plan_id, plan_version = owner
    priced = _priced_tiers(properties)
    lower = [Decimal(0), *(up_to or Decimal(0) for up_to, _ in priced)]
    return [
        TierRow(
            file=file,
            plan_id=plan_id,
            plan_version=plan_version,
            charge_key=charge_key,
            tier_index=index + 1,
            from_quantity=lower[index],
            up_to=up_to,
            unit_amount=price.unit_amount,
            flat_amount=price.flat_amount,
            package_size=price.package_size,
            package_amount=price.package_amount,
            package_rounding=price.package_rounding,
        )
        for index, (up_to, price) in enumerate(priced)
    ]


@dataclass(frozen=True)
class _Price:
    """What the units of a tier cost."""

    unit_amount: Decimal = Decimal(0)
    flat_amount: Decimal = Decimal(0)
    package_size: Decimal | None = None
    package_amount: Decimal | None = None
    package_rounding: str | None = None


def _priced_tiers(properties: Section) -> list[tuple[Decimal | None, _Price]]:
    """The upper bound of each tier, None for the last, with its price."""
    match properties:
        case Standard(unit_amount=unit_amount):
            return [(None, _Price(unit_amount))]
        case Tiered(tiers=tiers):
            return [(tier.up_to, _Price(tier.unit_amount, tier.flat_amount)) for tier in tiers]
        case GraduatedPercentage(tiers=rates):
            return [
                (tier.up_to, _Price(_hundredth(tier.rate_percent), tier.flat_amount))
                for tier in rates
            ]
        case Percentage(rate_percent=rate):
            free = properties.free_units_per_total_aggregation or Decimal(0)
            has_free = bool(free or properties.free_units_per_events)
            return [*([(free, _Price())] if has_free else []), (None, _Price(_hundredth(rate)))]
        case Package(free_units=free):
            price = _package(properties.package_size, properties.amount, properties.rounding)
            return [*([(free, _Price())] if free else []), (None, price)]
        case TieredPackage(tiers=packages):
            return [
                (tier.up_to, _package(tier.package_size, tier.amount, "up")) for tier in packages
            ]
        case _:
            # The events of a dynamic price say what they cost.
            return [(None, _Price())]


def _hundredth(rate: Decimal) -> Decimal:
    """A rate in percent as an amount, exact whatever the precision of the decimal context."""
    sign, digits, exponent = rate.as_tuple()
    return Decimal((sign, digits, int(exponent) - 2))


def _package(size: Decimal, amount: Decimal, rounding: str) -> _Price:
    return _Price(package_size=size, package_amount=amount, package_rounding=rounding)


def _zero_usage(properties: Section) -> str | None:
    """Whether a flat amount is owed without usage; None where there can be none."""
    if isinstance(properties, Tiered):
        return properties.zero_usage
    return "no_charge" if isinstance(properties, GraduatedPercentage | Percentage) else None


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
