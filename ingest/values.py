"""Reading single values strictly: text, times, whole numbers, exact decimals.

Each reader takes a value as it came (JSON value, or text from a table), returns it typed, or raises
ValueError with the end of a sentence that begins with the field's name. The vectorised paths
accept only values in the canonical form of the patterns below and leave the rest to these readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

# What the vectorised paths take as canonical (RE2 and Python alike).
TIME_PATTERN = (
    r"2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
)
ZONE_PATTERN = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
WHOLE_PATTERN = r"(0|[1-9][0-9]{0,14})"
FIRST_YEAR = "2000"
# Milliseconds since 1970 of the first instants of 2000 and 2200: seconds and microseconds of our
# time lie outside, so that a number in another unit is no time.
UNIX_MS_FROM, UNIX_MS_BEFORE = 946_684_800_000, 7_258_118_400_000

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
    r"\s?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_WHOLE = re.compile(r"-?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)

# Decimals of a size in GiB: 2**-10 GiB, one MiB, has ten places.
GIB_WIDTH, GIB_PLACES = 24, 10

BIGINT_MAX = 2**63 - 1

# Beyond these a size is a mistake of units, not a machine.
MAX_CORES = 65_536
MAX_MIB = 2**30

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(value: object) -> str:
    """The value as an error message shows it: quoted, and cut when long."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_absent(value: object) -> bool:
    """Whether the value says nothing: missing, null or empty text."""
    return value is None or value == ""


def read_text(value: object) -> str:
    """Non-empty text; a whole number is taken as its digits (some exports write ids so)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if is_absent(value):
        raise ValueError("is missing")
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {shown(value)}")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    if not value.isascii() and HALF_OF_A_PAIR.search(value):
        raise ValueError("holds half of a surrogate pair, which is not text")
    return value


def read_time(value: object, utc_if_naive: bool = False) -> datetime:
    """A time with a zone, in UTC, truncated to microseconds."""
    if is_absent(value):
        raise ValueError("is missing")
    if not isinstance(value, str):
        raise ValueError(f"must be a time with a zone as text, not {shown(value)}")
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError(f"is not a time: {shown(value)}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None or (zone is None and not utc_if_naive):
        raise ValueError(f"has no time zone: {shown(value)}; write it like 2026-08-01T00:00:00Z")
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(zone),
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is not a time: {shown(value)}") from error


def time_text(moment: datetime) -> str:
    """An instant in UTC, as it may be written in a file: `2026-08-01T00:00:00Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _zone(text: str | None) -> timezone:
    if text is None or text in {"Z", "z", "UTC"}:
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("offset out of range")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def read_unix_ms(value: object) -> datetime:
    """A time told as whole milliseconds since 1970, in UTC and exact."""
    if is_absent(value):
        raise ValueError("is missing")
    try:
        milliseconds = read_whole(value, UNIX_MS_FROM, UNIX_MS_BEFORE - 1)
    except ValueError as error:
        raise ValueError(
            f"must be a time in whole milliseconds since 1970 (2000 to 2199): {shown(value)}"
        ) from error
    return _EPOCH + timedelta(milliseconds=milliseconds)


def read_whole(value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        number = int(value) if value.adjusted() < 30 else None
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        number = int(value)
    elif isinstance(value, str) and _DECIMAL.fullmatch(value) and "." in value:
        # A table dump may hold a whole number as a floating column: 512.0.
        as_decimal = Decimal(value)
        if as_decimal == as_decimal.to_integral_value() and as_decimal.adjusted() < 30:
            number = int(as_decimal)
    if number is None:
        raise ValueError(f"must be a whole number, not {shown(value)}")
    if number < 0 <= low:
        raise ValueError(f"must not be negative: {number}")
    if not low <= number <= high:
        raise ValueError(f"must be between {low} and {high}: {shown(number)}")
    return number


def read_decimal(value: object, width: int, scale: int) -> Decimal:
    """An exact decimal of zero or more that fits DECIMAL(width, scale) without rounding."""
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite():
        raise ValueError(f"must be a decimal number, not {shown(value)}")
    if number < 0:
        raise ValueError(f"must not be negative: {shown(value)}")
    if number and number.adjusted() >= width - scale:
        raise ValueError(f"is too large: {shown(value)}")
    digits, exponent = plain_digits(number)
    if -exponent > scale:
        raise ValueError(f"has more than {scale} decimal places: {shown(value)}")
    # Built from its digits: arithmetic would round to the context's precision.
    zeros = scale + exponent
    return Decimal((0, tuple(map(int, digits + "0" * zeros)), -scale))


def read_mib_of_gib(value: object, high: int) -> int:
    """A size in GiB as whole MiB, from 0 to `high`; a size that is no whole number is refused."""
    try:
        mib = read_decimal(value, GIB_WIDTH, GIB_PLACES) * 1024
    except ValueError as error:
        if "decimal places" not in str(error):
            raise
        mib = None
    if mib is None or mib != mib.to_integral_value():
        raise ValueError(f"must be a whole number of MiB, in GiB: {shown(value)}")
    return read_whole(mib, 0, high)


def refuse_absurd_cores(**sizes: Decimal | None) -> None:
    """Raises ValueError that names the first size above MAX_CORES."""
    for name, cores in sizes.items():
        if cores is not None and cores > MAX_CORES:
            raise ValueError(f"{name} must not be above {MAX_CORES}: {cores.normalize():f}")


def plain_digits(number: Decimal) -> tuple[str, int]:
    """Digits without trailing zeros, and the exponent of the last one (0 for zero)."""
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    stripped = text.rstrip("0")
    if not stripped:
        return "0", 0
    return stripped, int(exponent) + len(text) - len(stripped)


def canonical_json(value: object) -> str:
    """JSON text with sorted keys, no spaces, characters unescaped."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def scalar_text(value: object) -> str:
    """Any JSON value as text: text itself, whole numbers bare, decimals without trailing zeros."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        if -40 < value.adjusted() < 40:
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        return str(value)
    if isinstance(value, int):
        return str(value)
    return canonical_json(_with_text_decimals(value))


def _with_text_decimals(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_text_decimals(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_text_decimals(inner) for inner in value]
    return scalar_text(value) if isinstance(value, Decimal) else value


def parse_json(text: str) -> Any:
    """Strict JSON: exact decimals, no duplicate keys, no NaN. Raises ValueError with a reason."""
    try:
        return json.loads(
            text,
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        # Some of the messages end in "at" themselves.
        what = error.msg.removesuffix(" at")
        raise ValueError(f"is not JSON: {what} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except InvalidOperation as error:
        raise ValueError("holds a number that nothing can hold") from error
    except ValueError as error:
        if "int_max_str_digits" in str(error):
            raise ValueError("holds a number that nothing can hold") from error
        raise


def _no_constant(name: str) -> Any:
    raise ValueError(f"is not JSON: {name} is not a number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has the key {shown(key)} twice")
            seen.add(key)
    return found


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The latest of the times given, None when there is none."""
    return max((moment for moment in moments if moment is not None), default=None)


# --- Pydantic: the same readers as field types, and one reason a record ---------------------


class Record(BaseModel):
    """Base of the models that validate one record."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _utc_if_naive(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get("utc_if_naive"))


def _optional_text(value: object) -> str | None:
    return None if is_absent(value) else read_text(value)


def _required_time(value: object, info: ValidationInfo) -> datetime:
    return read_time(value, _utc_if_naive(info))


def _record_time(value: object, info: ValidationInfo) -> datetime:
    moment = _required_time(value, info)
    if _is_left_out(value):
        raise ValueError(f"is before {FIRST_YEAR}, like a time left out: {shown(value)}")
    return moment


def _is_left_out(value: object) -> bool:
    # Exporters write a time that they do not have as year 1 or 1970: centuries of usage.
    return str(value)[:4] < FIRST_YEAR


def _optional_time(value: object, info: ValidationInfo) -> datetime | None:
    return None if is_absent(value) else read_time(value, _utc_if_naive(info))


def _optional_record_time(value: object, info: ValidationInfo) -> datetime | None:
    moment = _optional_time(value, info)
    return None if moment is None or _is_left_out(value) else moment


def _optional_unix_ms(value: object) -> datetime | None:
    return None if is_absent(value) else read_unix_ms(value)


Text = Annotated[str, BeforeValidator(read_text)]
OptionalText = Annotated[str | None, BeforeValidator(_optional_text)]
AnyTime = Annotated[datetime, BeforeValidator(_required_time)]
Time = Annotated[datetime, BeforeValidator(_record_time)]
OptionalTime = Annotated[datetime | None, BeforeValidator(_optional_time)]
OptionalRecordTime = Annotated[datetime | None, BeforeValidator(_optional_record_time)]
UnixMs = Annotated[datetime, BeforeValidator(read_unix_ms)]
OptionalUnixMs = Annotated[datetime | None, BeforeValidator(_optional_unix_ms)]


def whole(low: int, high: int) -> BeforeValidator:
    """Field type: a required whole number between the bounds."""
    return BeforeValidator(lambda value: read_whole(_present(value), low, high))


def optional_whole(low: int, high: int) -> BeforeValidator:
    """Field type: a whole number between the bounds, or nothing."""
    return BeforeValidator(lambda value: None if is_absent(value) else read_whole(value, low, high))


def decimal(width: int, scale: int) -> BeforeValidator:
    """Field type: a required exact decimal that fits DECIMAL(width, scale)."""
    return BeforeValidator(lambda value: read_decimal(_present(value), width, scale))


def optional_decimal(width: int, scale: int) -> BeforeValidator:
    """Field type: an exact decimal that fits DECIMAL(width, scale), or nothing."""
    return BeforeValidator(
        lambda value: None if is_absent(value) else read_decimal(value, width, scale)
    )


def whole_mib_of_gib(high: int) -> BeforeValidator:
    """Field type: a required size in GiB that is a whole number of MiB, at most `high`."""
    return BeforeValidator(lambda value: read_mib_of_gib(_present(value), high))


def _present(value: object) -> object:
    if is_absent(value):
        raise ValueError("is missing")
    return value


def one_reason(error: ValidationError) -> str:
    """The first problem of a failed validation as one line: the field, then what is wrong."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{field} is missing"
    cause = first.get("ctx", {}).get("error")
    message = str(cause) if cause is not None else first["msg"]
    return f"{field} {message}" if field else message
