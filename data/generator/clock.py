"""Time as whole microseconds since the Unix epoch, UTC. No float ever touches an instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MILLI = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> int:
    """The microseconds of an ISO-8601 time with a zone."""
    return micros(datetime.fromisoformat(text.replace("Z", "+00:00")))


def micros(moment: datetime) -> int:
    """The microseconds of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """The UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=at)


def rfc3339(at: int) -> str:
    """As Go writes it: UTC, `Z`, trailing zeros of the fraction dropped."""
    whole = moment(at).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{at % SECOND:06d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def rfc3339_seconds(at: int) -> str:
    """The instant with its fraction cut off."""
    return rfc3339(at - at % SECOND)


def rfc3339_at_offset(at: int, hours: int) -> str:
    """The same instant written with a fixed offset, such as `+02:00`."""
    return f"{rfc3339(at + hours * HOUR)[:-1]}{hours:+03d}:00"


def unix(at: int) -> int:
    """Whole Unix seconds."""
    return at // SECOND


def local_midnight(zone: str, year: int, month: int, day: int) -> int:
    """The instant at which a calendar day begins in a zone."""
    return micros(datetime(year, month, day, tzinfo=ZoneInfo(zone)))


def local_days(zone: str, start: int, end: int) -> list[tuple[int, int]]:
    """(instant of midnight, ISO weekday 1..7) of every local day that begins in [start, end)."""
    day = moment(start).astimezone(ZoneInfo(zone)).date()
    found: list[tuple[int, int]] = []
    while True:
        begins = local_midnight(zone, day.year, day.month, day.day)
        if begins >= end:
            return found
        if begins >= start:
            found.append((begins, day.isoweekday()))
        day += timedelta(days=1)


def local_months(zone: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """('YYYY-MM', start, end) of every local calendar month that touches [start, end)."""
    first = moment(start).astimezone(ZoneInfo(zone)).date()
    year, month = first.year, first.month
    found: list[tuple[str, int, int]] = []
    while True:
        begins = local_midnight(zone, year, month, 1)
        if begins >= end:
            return found
        following = date(year + month // 12, month % 12 + 1, 1)
        ends = local_midnight(zone, following.year, following.month, 1)
        found.append((f"{year:04d}-{month:02d}", begins, ends))
        year, month = following.year, following.month
