"""CSV for machines and for spreadsheets: RFC 4180, the same bytes for the same rows.

UTF-8, comma, CRLF, a header, minimal quoting; null is a bare empty field and an empty text a
quoted one; decimals are plain text at their declared scale, times UTC to the second.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins like this for a formula (CWE-1236).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = frozenset('",\r\n')


def write_csv(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    byte_order_mark: bool = False,
) -> int:
    """Write `rows` under the header `columns`; returns how many rows there were."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        if byte_order_mark:
            file.write(BYTE_ORDER_MARK)
        file.write(_line(columns))
        for row in rows:
            file.write(_line([csv_text(value) for value in row]))
            count += 1
    return count


def csv_text(value: Any) -> str | None:
    """A value as it stands in the file, before quoting; None for null.

    Raises TypeError for a float: nothing that is exported was ever one.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    raise TypeError(f"no CSV form for a {type(value).__name__}: {value!r}")


def _line(fields: Sequence[str | None]) -> str:
    return ",".join(_quoted(field) for field in fields) + "\r\n"


def _quoted(field: str | None) -> str:
    if field is None:
        return ""
    if field == "" or not _NEEDS_QUOTES.isdisjoint(field):
        return '"' + field.replace('"', '""') + '"'
    return field
