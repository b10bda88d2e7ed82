"""The bytes of an exported CSV."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from reports.exports.csv_file import csv_text, write_csv

pytestmark = pytest.mark.unit


def test_bytes_are_exactly_these(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    rows = [
        (date(2026, 8, 1), 'say "hi", twice', Decimal("1.2300"), None, ""),
        (date(2026, 8, 2), "two\nlines", Decimal("-0.0000000000000001"), "a", "b"),
    ]
    assert write_csv(path, ["day", "text", "quantity", "none", "empty"], rows) == 2
    assert path.read_bytes() == (
        b"day,text,quantity,none,empty\r\n"
        b'2026-08-01,"say ""hi"", twice",1.2300,,""\r\n'
        b'2026-08-02,"two\nlines",-0.0000000000000001,a,b\r\n'
    )


def test_byte_order_mark_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_csv(path, ["a"], [], byte_order_mark=True)
    assert path.read_bytes() == b"\xef\xbb\xbfa\r\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_defused(start: str) -> None:
    assert csv_text(f"{start}1+1") == f"'{start}1+1"


def test_numbers_are_never_touched() -> None:
    assert csv_text(Decimal("-5.50")) == "-5.50"
    assert csv_text(-5) == "-5"
    assert csv_text(Decimal("1E+3")) == "1000"
    assert csv_text(Decimal("0E-16")) == "0.0000000000000000"


def test_times_are_utc_to_the_second() -> None:
    berlin = timezone(timedelta(hours=2))
    assert csv_text(datetime(2026, 8, 1, 2, tzinfo=berlin)) == "2026-08-01T00:00:00Z"
    assert csv_text(datetime(2026, 8, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-08-01T00:00:00.000005Z"


def test_a_float_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        csv_text(0.1)
