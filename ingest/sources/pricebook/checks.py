"""Validation of a price book as a whole: every error of every file, then the rows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import ValidationError

from ingest.sources.pricebook.grammar import (
    MEASURES,
    PROPERTIES,
    Charge,
    Dynamic,
    Meter,
    Percentage,
    Plan,
    Section,
    Version,
    plain,
    shown,
)
from ingest.sources.pricebook.rows import (
    ChargeRow,
    MeterRow,
    Owner,
    PriceBook,
    TierRow,
    VersionRow,
    charge_row,
    meter_row,
    tier_rows,
    utc_text,
    version_key,
    version_names,
    version_row,
)
from ingest.sources.pricebook.yaml_lines import Document, Location, Unquoted, Value

_COMPUTE_TEXTS = ("provider", "region")
_COMPUTE_NUMBERS = ("vcpu", "memory_mib", "disk_mib", "gpu")
_WHOLE_NUMBERS = ("memory_mib", "disk_mib")
_DIMENSION_NAME = re.compile(r"""[^\s"\\$]([^"\\$\x00-\x1f]*[^\s"\\$])?""")

SectionType = TypeVar("SectionType", bound=Section)


def check_documents(documents: Sequence[Document]) -> PriceBook:
    """The book that these documents make together; what is wrong is reported to them.

    The book is complete only if no document has a problem afterwards.
    """
    return _Checker().check(documents)


@dataclass(frozen=True)
class _Definition:
    """Where an id was defined first, and the meter behind it if that is valid."""

    place: str
    meter: Meter | None = None


class _Checker:
    """Validates a book from the outside in; goes on after an error wherever the rest has a meaning.

    Meters come first, in all files, because charges look at them.
    """

    def __init__(self) -> None:
        self._meters: dict[str, _Definition] = {}
        self._plans: dict[str, _Definition] = {}
        self._meter_rows: list[MeterRow] = []
        self._versions: list[VersionRow] = []
        self._charges: list[ChargeRow] = []
        self._tiers: list[TierRow] = []

    def check(self, documents: Sequence[Document]) -> PriceBook:
        """The book of these documents; what is wrong is reported to them."""
        for document in documents:
            for index, value in enumerate(_list_in(document.value, "meters")):
                self._meter(document, ("meters", index), value)
        for document in documents:
            for index, value in enumerate(_list_in(document.value, "plans")):
                self._plan(document, ("plans", index), value)
            _check_top(document)
        return PriceBook(
            meters=tuple(sorted(self._meter_rows, key=lambda row: row.meter_id)),
            versions=tuple(sorted(self._versions, key=lambda row: (row.plan_id, row.plan_version))),
            charges=tuple(
                sorted(self._charges, key=lambda row: (*version_key(row), row.charge_order))
            ),
            tiers=tuple(
                sorted(
                    self._tiers, key=lambda row: (*version_key(row), row.charge_key, row.tier_index)
                )
            ),
        )

    def _meter(self, document: Document, location: Location, value: Value) -> None:
        meter = _validated(Meter, document, location, value)
        complete = meter is not None and _check_meter(document, location, meter)
        # A broken meter is remembered by its id, so that its charges are not reported too.
        _define(self._meters, document, (*location, "meter_id"), value, meter if complete else None)
        if meter is not None:
            self._meter_rows.append(meter_row(document.file, meter))

    def _plan(self, document: Document, location: Location, value: Value) -> None:
        plan = _validated(Plan, document, location, value)
        _define(self._plans, document, (*location, "plan_id"), value)
        valid: dict[int, Version] = {}
        items = _list_in(value, "versions")
        for index, item in enumerate(items):
            at = (*location, "versions", index)
            version = _validated(Version, document, at, item)
            if version is not None:
                _check_version(document, at, version, valid)
                valid[index] = version
        names = version_names(valid)
        for index, item in enumerate(items):
            owner = None
            if plan is not None and index in valid:
                owner = (document.file, plan.plan_id, names[index])
                self._versions.append(version_row(owner, plan, valid[index]))
            self._charges_of(document, (*location, "versions", index), item, owner)

    def _charges_of(
        self,
        document: Document,
        location: Location,
        value: Value,
        owner: Owner | None,
    ) -> None:
        """The charges of a version; without an owner, which is wrong, only their errors count."""
        keys: dict[str, int] = {}
        for index, item in enumerate(_list_in(value, "charges")):
            at = (*location, "charges", index)
            checked = self._charge(document, at, item)
            key = item.get("charge_key") if isinstance(item, dict) else None
            if isinstance(key, str) and keys.setdefault(key, index) != index:
                document.report(
                    (*at, "charge_key"), f"{key!r} is already the key of charges[{keys[key]}]"
                )
            if checked is None or owner is None:
                continue
            charge, properties, where = checked
            self._charges.append(charge_row(owner, index + 1, charge, properties, where))
            self._tiers += tier_rows(owner, charge.charge_key, properties)

    def _charge(
        self, document: Document, location: Location, value: Value
    ) -> tuple[Charge, Section, dict[str, Any]] | None:
        """A charge, its properties and its `where` as dimensions; None when something is wrong."""
        before = len(document.problems)
        charge = _validated(Charge, document, location, value)
        if charge is None:
            return None
        properties = _properties(document, location, charge)
        where: dict[str, Any] = {}
        meter = self._meter_of(document, location, charge)
        if meter is not None:
            where = _where(document, location, charge, meter)
            if properties is not None:
                _check_events(document, location, charge, meter, properties)
        if properties is None or len(document.problems) > before:
            return None
        return charge, properties, where

    def _meter_of(self, document: Document, location: Location, charge: Charge) -> Meter | None:
        definition = self._meters.get(charge.meter_id)
        place = (*location, "meter_id")
        if definition is None:
            document.report(
                place, f"unknown meter {charge.meter_id!r}{_nearest(charge.meter_id, self._meters)}"
            )
            return None
        return definition.meter


def _list_in(value: Value, key: str) -> list[Value]:
    """The list under a key; empty where it is missing or something else (reported elsewhere)."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _define(
    known: dict[str, _Definition],
    document: Document,
    location: Location,
    value: Value,
    meter: Meter | None = None,
) -> None:
    """Note the id at the end of `location`, or report it if it is taken."""
    name = value.get(str(location[-1])) if isinstance(value, dict) else None
    if not isinstance(name, str):
        return
    if name in known:
        document.report(location, f"{name!r} is already defined in {known[name].place}")
        return
    known[name] = _Definition(f"{document.file}:{document.line(location)}", meter)


def _check_top(document: Document) -> None:
    if document.problems and document.value is None:
        return
    if not isinstance(document.value, dict):
        what = "is empty" if document.value is None else "is not a mapping"
        document.report((), f"{what}: a price-book file has `meters:`, `plans:` or both")
        return
    for key, value in document.value.items():
        if key not in {"meters", "plans"}:
            document.report((key,), _unknown_key(key, ("meters", "plans")))
        elif not isinstance(value, list):
            document.report((key,), f"must be a list, not {shown(value)}")


def _validated(
    section: type[SectionType], document: Document, location: Location, value: Value
) -> SectionType | None:
    """The value as a section of the book, or None with its errors reported."""
    try:
        return section.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            place = (*location, *detail["loc"])
            document.report(place, _message(section, detail))
        return None


def _message(section: type[Section], detail: Any) -> str:
    """What a validation error says, in the book's own words."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return _unknown_key(str(detail["loc"][-1]), _keys_at(section, detail["loc"][:-1]))
    expected = {
        "model_type": "a mapping",
        "dict_type": "a mapping",
        "list_type": "a list",
        "int_type": "a whole number without quotes",
        "string_type": "text",
    }
    if kind in expected:
        return f"must be {expected[kind]}, not {shown(value)}"
    bounds = {
        "greater_than": f"must be above {context.get('gt')}: {shown(value)}",
        "greater_than_equal": f"must be at least {context.get('ge')}: {shown(value)}",
        "less_than_equal": f"must be at most {context.get('le')}: {shown(value)}",
        "too_short": "must not be empty",
        "string_pattern_mismatch": f"must be a path like $.tokens, not {shown(value)}",
    }
    return bounds.get(kind, str(detail["msg"]))


def _keys_at(section: type[Section], location: Sequence[str | int]) -> tuple[str, ...]:
    """The keys of the section that lies at `location` inside `section`."""
    for part in location:
        if isinstance(part, str):
            section = _section_in(section.model_fields[part].annotation) or section
    return tuple(section.model_fields)


def _section_in(annotation: Any) -> type[Section] | None:
    """The section class in an annotation such as `list[Tier]` or `Limits | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    inner = (_section_in(part) for part in getattr(annotation, "__args__", ()))
    return next((found for found in inner if found), None)


def _unknown_key(key: str, known: Sequence[str]) -> str:
    if key == "valid_to":
        return "unknown key 'valid_to': a version is in force until the next one's valid_from"
    known_here = f"; known here: {', '.join(known)}"
    return f"unknown key {key!r}{_nearest(key, known) or known_here}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _check_meter(document: Document, location: Location, meter: Meter) -> bool:
    """Whether the keys of a meter are those of its source."""
    before = len(document.problems)
    measures = MEASURES.get(meter.source, ())
    if not measures:
        _forbid(document, location, meter, ("measure",))
    elif meter.measure not in measures:
        what = f"unknown measure {meter.measure!r}" if meter.measure else "is missing"
        document.report(
            (*location, "measure"),
            f"{what}: source {meter.source!r} has {', '.join(measures)}",
        )
    if meter.source != "events":
        _forbid(document, location, meter, ("event_type", "aggregation", "value"))
        return len(document.problems) == before
    for key in ("event_type", "aggregation"):
        if getattr(meter, key) is None:
            document.report((*location, key), "is missing: a meter of source 'events' needs it")
    if meter.aggregation == "count" and meter.value is not None:
        document.report((*location, "value"), "does not belong to aggregation 'count'")
    if meter.aggregation not in {None, "count"} and meter.value is None:
        needed = f"is missing: aggregation {meter.aggregation!r} needs it"
        document.report((*location, "value"), needed)
    return len(document.problems) == before


def _forbid(document: Document, location: Location, meter: Meter, keys: Sequence[str]) -> None:
    for key in keys:
        if getattr(meter, key) is not None:
            document.report((*location, key), f"does not belong to source {meter.source!r}")


def _check_version(
    document: Document, location: Location, version: Version, earlier: dict[int, Version]
) -> None:
    """What must hold inside a version, and between it and those listed before it (by index)."""
    low, high = version.minimum_amount, version.maximum_amount
    if low is not None and high is not None and low > high:
        document.report(
            (*location, "minimum_amount"),
            f"is above the maximum_amount: {plain(low)} > {plain(high)}",
        )
    alerts = version.alerts_percent or []
    for index in range(1, len(alerts)):
        if alerts[index] <= alerts[index - 1]:
            document.report(
                (*location, "alerts_percent", index),
                f"alerts must ascend: {alerts[index]} after {alerts[index - 1]}",
            )
    for index, other in earlier.items():
        if (version.valid_from, version.currency) == (other.valid_from, other.currency):
            document.report(
                (*location, "valid_from"),
                f"{utc_text(version.valid_from)} is already the start of versions[{index}], in the "
                "same currency",
            )
            break
    interval = next(iter(earlier.values()), version).interval
    if version.interval != interval:
        document.report(
            (*location, "interval"),
            f"{version.interval!r} after {interval!r}: a plan keeps its interval; make it another "
            "plan",
        )


def _properties(document: Document, location: Location, charge: Charge) -> Section | None:
    """The properties as their model's class, tiers checked; None when something is wrong."""
    place = (*location, "properties")
    section = PROPERTIES[charge.model]
    foreign = [key for key in charge.properties if key not in section.model_fields]
    for key in foreign:
        takes = ", ".join(section.model_fields)
        owners = [name for name, other in PROPERTIES.items() if key in other.model_fields]
        document.report(
            (*place, key),
            f"model {charge.model!r} takes {takes}; {key!r} belongs to {', '.join(owners)}"
            if owners
            else _unknown_key(key, tuple(section.model_fields)),
        )
    own = {key: value for key, value in charge.properties.items() if key not in foreign}
    properties = _validated(section, document, place, own)
    tiers = getattr(properties, "tiers", None)
    if tiers is not None:
        _check_tiers(document, (*place, "tiers"), [tier.up_to for tier in tiers])
    if isinstance(properties, Percentage):
        low, high = properties.per_transaction_min_amount, properties.per_transaction_max_amount
        if low is not None and high is not None and low > high:
            document.report(
                (*place, "per_transaction_min_amount"),
                f"is above the per_transaction_max_amount: {plain(low)} > {plain(high)}",
            )
    return properties


def _check_events(
    document: Document, location: Location, charge: Charge, meter: Meter, properties: Section
) -> None:
    """What is priced event by event needs a meter that has events, each with its own part."""
    is_sum = meter.source == "events" and meter.aggregation in {"sum", "count"}
    kind = f"{meter.meter_id!r} is of source {meter.source!r}"
    if meter.source == "events":
        kind = f"{meter.meter_id!r} is of aggregation {meter.aggregation!r}"
    if isinstance(properties, Percentage) and not is_sum and meter.source != "quantities":
        for key in properties.by_transaction:
            document.report(
                (*location, "properties", key),
                "needs a meter of source 'quantities', or one that is a sum or count of events: "
                f"{kind}",
            )
    if isinstance(properties, Dynamic):
        if not is_sum:
            document.report(
                (*location, "model"),
                f"model 'dynamic' needs a meter that is a sum or count of events: {kind}",
            )
        if charge.included_quantity:
            document.report(
                (*location, "included_quantity"),
                "does not go with model 'dynamic': each event says what it costs",
            )


def _check_tiers(document: Document, location: Location, bounds: list[Decimal | None]) -> None:
    previous: Decimal | None = None
    for index, up_to in enumerate(bounds):
        place = (*location, index, "up_to")
        is_last = index == len(bounds) - 1
        if up_to is None and not is_last:
            document.report(place, "null is for the last tier: no tier can follow it")
        if up_to is not None and previous is not None and up_to <= previous:
            document.report(place, f"tiers must ascend: {plain(up_to)} after {plain(previous)}")
        if up_to is not None and is_last:
            document.report(place, f"must be null in the last tier, not {plain(up_to)}")
        previous = up_to if up_to is not None else previous


def _where(document: Document, location: Location, charge: Charge, meter: Meter) -> dict[str, Any]:
    """The condition in the form that dimensions have: numbers of compute bare, all else text."""
    where: dict[str, Any] = {}
    for key, value in (charge.where or {}).items():
        place = (*location, "where", key)
        as_text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if meter.source == "compute" and key in _COMPUTE_NUMBERS:
            where[key] = _where_number(document, place, key, as_text)
        elif meter.source == "compute" and key not in _COMPUTE_TEXTS:
            known = ", ".join((*_COMPUTE_TEXTS, *_COMPUTE_NUMBERS))
            document.report(
                place, f"unknown dimension {key!r} of a compute meter: must be one of {known}"
            )
        elif not _DIMENSION_NAME.fullmatch(key):
            document.report(place, f"cannot be the name of a dimension: {key!r}")
        else:
            where[key] = _where_text(
                document, place, value if meter.source == "compute" else as_text
            )
    return where


def _where_text(document: Document, location: Location, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    is_scalar = isinstance(value, bool | int | Unquoted)
    quote = f': write "{shown(value)}" instead' if is_scalar else ""
    document.report(location, f"must be one text to compare with, not {shown(value)}{quote}")
    return ""


def _where_number(
    document: Document, location: Location, key: str, text: object
) -> int | Decimal | None:
    whole_only = key in _WHOLE_NUMBERS
    pattern = r"[0-9]{1,18}" if whole_only else r"[0-9]{1,12}(\.[0-9]{1,6})?"
    if isinstance(text, Unquoted) and re.fullmatch(pattern, text.text):
        document.report(location, f'must be quoted or whole: write "{text.text}" instead')
        return None
    if not isinstance(text, str) or not re.fullmatch(pattern, text):
        kind = "a whole number" if whole_only else "a number of at most 6 decimal places"
        document.report(location, f"must be {kind}, not {shown(text)}")
        return None
    number = Decimal(text)
    if number == 0:
        document.report(location, "must be above zero: a dimension of zero is left out of usage")
    return int(number) if number == int(number) else number
