"""The quality page: what it says, that it adds up, and that no record can speak HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from reports.quality import in_words, pairs, render_quality, shown

pytestmark = pytest.mark.unit

EVIL = "<script>alert(1)</script>\"'&\x1b[31m\u202e"


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in {"td", "th", "b", "summary", "p"} else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def _check(name: str, **more: Any) -> dict[str, Any]:
    return {
        "check_name": name,
        "words": in_words(name, "fct_charges"),
        "asset": "fct_charges",
        "passed": True,
        "blocking": True,
        "failing_rows": 0,
        "detail": "",
        "rows": [],
        "checked_at": "2026-09-02 12:00 UTC",
    } | more


def _found(**changes: Any) -> dict[str, Any]:
    rows = {"billed": 2, "quarantined": 1}
    file = {"source": "e2b", "records": 3, "rows": rows, "adds_up": True}
    return {
        "run_id": "run-1",
        "as_of": "2026-09-02 12:00 UTC",
        "written_at": "2026-09-02 12:00 UTC",
        "checks": [_check("not_null_fct_charges_charge_id")],
        "waiting": 0,
        "replaced": 0,
        "quarantine": [],
        "quarantine_left_out": 0,
        "records": 3,
        "file_count": 1,
        "accounted": 3,
        "is_counted": True,
        "totals": rows,
        "sources": [file | {"accounted": 3}],
        "files": [file | {"file": "e2b/a.jsonl", "is_current": True}],
        "files_left_out": 0,
    } | changes


def test_all_is_well() -> None:
    page = Page(render_quality(_found()))
    assert "Every check passes and every record was read." in page.text
    assert "1 of 1 checks pass" in page.text
    assert "e2b/a.jsonl billed 2, quarantined 1 3 adds up" in page.text


def test_a_blocking_check_says_what_it_stops_and_names_the_rows() -> None:
    row = {"file": "e2b/b.jsonl", "record_number": 7, "content": '{"id": "x"}'}
    failed = _check(
        "e2b_memory_is_plausible",
        passed=False,
        failing_rows=21,
        detail="memory in another unit",
        rows=[row] * 20,
    )
    page = Page(render_quality(_found(checks=[failed])))
    assert "1 blocking check fails." in page.text
    assert "Nothing is published, approved or pushed until it passes." in page.text
    assert "21 rows fail. Why it matters: memory in another unit." in page.text
    assert page.text.count("e2b/b.jsonl 7 id x") == 20
    assert "The first 20 of 21." in page.text


def test_a_warning_and_a_quarantined_record_are_no_reason_to_stop() -> None:
    group = {
        "source": "e2b",
        "file": "e2b/a.jsonl",
        "reason": "timestamp is missing",
        "records": 4,
        "samples": [{"record_number": 2, "raw": "{}"}, {"record_number": None, "raw": None}],
    }
    warned = _check("w", passed=False, blocking=False, failing_rows=1)
    page = Page(render_quality(_found(checks=[warned], waiting=4, quarantine=[group])))
    assert "Every blocking check passes." in page.text
    assert "4 records could not be read and wait in quarantine" in page.text
    assert "1 warning to look at." in page.text
    assert "4 records in e2b/a.jsonl: timestamp is missing" in page.text
    assert "2 {} whole file" in page.text
    assert "The first 2 of 4." in page.text


def test_rows_that_do_not_add_up_are_the_first_thing_said() -> None:
    file = _found()["files"][0] | {"adds_up": False}
    source = _found()["sources"][0] | {"adds_up": False}
    page = Page(render_quality(_found(files=[file], sources=[source])))
    assert "1 file does not add up." in page.text
    assert page.text.count("differs") == 2
    new = Page(
        render_quality(
            _found(files=[file | {"adds_up": None, "rows": {}}], sources=[], is_counted=False)
        )
    )
    assert "does not add up" not in new.text


def test_nothing_of_a_record_is_read_as_html_or_asks_the_network() -> None:
    failed = _check(
        EVIL,
        words=EVIL,
        asset=EVIL,
        passed=False,
        detail=EVIL,
        rows=[{"file": EVIL, "record_number": 1, "content": EVIL}],
    )
    group = {
        "source": EVIL,
        "file": EVIL,
        "reason": EVIL,
        "records": 1,
        "samples": [{"record_number": 1, "raw": EVIL}],
    }
    source = _found()["sources"][0] | {"source": EVIL}
    file = _found()["files"][0] | {"file": EVIL}
    html = render_quality(
        _found(run_id=EVIL, checks=[failed], quarantine=[group], sources=[source], files=[file])
    )
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in {"src", "href"} or name[:2] == "on"]
    assert "url(" not in html
    assert "://" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert page.text.count("alert(1)") >= 11


def test_a_row_of_no_file_shows_its_columns() -> None:
    row = {"file": None, "record_number": None, "content": '{"plan_id": "pro", "amount": 1.50}'}
    html = render_quality(_found(checks=[_check("a", passed=False, rows=[row], failing_rows=1)]))
    page = Page(html)
    assert "What it says plan_id pro amount 1.50" in page.text
    assert '<th>File</th><th class="number">Record</th>' not in html
    assert pairs('{"a": {"b": 1}}') == pairs("[1]") == pairs("not JSON") == []
    assert pairs('{"a": ' + "[" * 3_000) == pairs('{"a": "' + "x" * 5_000 + '"}') == []


def test_long_and_odd_text_is_cut_and_made_visible() -> None:
    assert shown("a\x1b\u202e\n\udc80é") == "a\\x1b\\u202e\n\\udc80é"
    assert len(shown("x" * 10_000)) == 600


@pytest.mark.parametrize(
    ("name", "asset", "words"),
    [
        ("not_null_fct_charges_charge_id", "fct_charges", "charge_id is never missing"),
        ("unique_fct_charges_charge_id", "fct_charges", "charge_id is never repeated"),
        ("unique_combination_m_a__b_c", "m", "no two rows have the same a, b_c"),
        ("not_null_stg_a__b_c", "stg_a__b", "c is never missing"),
        ("never_missing_m_a__b_c", "m", "none of these is ever missing: a, b_c"),
        (
            "never_missing_m_0123456789abcdef0123456789abcdef",
            "m",
            "none of these is ever missing: what every row needs",
        ),
        (
            "unique_combination_m_0123456789abcdef0123456789abcdef",
            "m",
            "no two rows have the same key",
        ),
        ("accepted_values_m_kind__void__base_fee", "m", "kind is one of void, base_fee"),
        ("relationships_m_a_id__a_id__ref_stg_a__b_", "m", "every a_id is in stg_a__b"),
        (
            "accepted_values_m_0123456789abcdef0123456789abcdef",
            "m",
            "a value is one of the known ones",
        ),
        ("assert_days_add_up_to_hours", "", "days add up to hours"),
        ("e2b_memory_is_plausible", "raw.e2b_events", "e2b memory is plausible"),
        ("models_build", "", "every table could be built"),
    ],
)
def test_checks_in_words(name: str, asset: str, words: str) -> None:
    assert in_words(name, asset) == words
