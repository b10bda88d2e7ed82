"""The summary of a run, as lines for people."""

from typing import Any

import pytest

from reports.summary import discrepancy_lines, summary_lines

pytestmark = pytest.mark.unit


def _summary(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "accounts": [],
        "loads": [],
        "rows": [],
        "quarantine": [],
        "usage": [],
        "charges": [],
        "previews": [],
        "approvals_waiting": [],
        "push": [],
        "limit_violations": [],
        "gates_shut": [],
        "discrepancies": [],
        "marts": {"database": "m.duckdb", "parquet": "m", "tables": {}},
    }
    return empty | changes


def test_text_from_records_cannot_reach_the_terminal() -> None:
    """A quarantine reason quotes the record: escape codes and line breaks must not get through."""
    row = {"source": "e2b", "reason": "bad: \x1b[31m\nred", "rows": 1}
    text = "\n".join(summary_lines(_summary(quarantine=[row])))
    assert "\x1b" not in text
    assert "bad: ?[31m?red" in text


def test_open_periods_show_their_minimum_apart() -> None:
    preview = {
        "period": "2026-09",
        "currency": "usd",
        "statements": 2,
        "subtotal_minor": 800,
        "minimum_true_up_minor": 700,
        "projected_subtotal_minor": 1500,
        "credits_minor": 0,
        "projected_total_minor": 1500,
    }
    lines = list(summary_lines(_summary(previews=[preview])))
    place = lines.index("Open periods, if nothing more is used (minor units)")
    assert lines[place + 1].split() == list(preview)
    assert lines[place + 2].split() == ["2026-09", "usd", "2", "800", "700", "1500", "0", "1500"]
    assert not any("Open periods" in line for line in summary_lines(_summary()))


def test_what_a_push_would_send_is_summed_exactly() -> None:
    push = [
        {
            "status": status,
            "period": "2026-08",
            "account_id": account,
            "stripe_event_name": "seconds",
            "quantity": quantity,
        }
        for status, account, quantity in [
            ("approved", "a", "12345678901234567890.000000000001"),
            ("approved", "b", "0.000000000001"),
            ("closed", "c", "5"),
        ]
    ]
    lines = list(summary_lines(_summary(push=push)))
    assert "A push now would send: 2 meter totals" in lines
    assert any("12345678901234567890.000000000002" in line for line in lines)
    assert "Once the waiting statements are approved it would send: 1 meter totals" in lines


def test_waiting_statements_with_nothing_to_pay_are_counted() -> None:
    waiting = [
        {"period": "2026-08", "account_id": name, "currency": "usd", "total_minor": total}
        for name, total in [("a", 5), ("b", 0), ("c", 0)]
    ]
    lines = list(summary_lines(_summary(approvals_waiting=waiting)))
    assert "Approvals waiting: 3" in lines
    assert "  and 2 with nothing to pay" in lines


def test_gates_and_violations_have_a_line_each() -> None:
    codes = ["spending_cap_reached", "included_exhausted", "spending_cap_reached"]
    shut = [{"code": code, "account_id": f"a{n}"} for n, code in enumerate(codes)]
    over = [{"code": "plan_limit_size", "account_id": "a", "stretches": 7}]
    lines = list(summary_lines(_summary(gates_shut=shut, limit_violations=over)))
    assert "Gates shut: 3 (included_exhausted 1, spending_cap_reached 2)" in lines
    assert "Accounts over a limit of their plan: 1 (plan_limit_size 1)" in lines
    assert "Gates shut: 0" in list(summary_lines(_summary()))


def test_every_discrepancy_has_a_line_with_its_evidence() -> None:
    row = {
        "cause": "late",
        "leg": "pushed_meter",
        "account_id": "a",
        "meter_id": "m",
        "period_start": "2026-08-01T00:00:00Z",
        "quantity_delta": "-1.5",
        "amount_delta_minor": None,
        "currency": None,
        "evidence": "because",
    }
    (line,) = discrepancy_lines([row])
    for part in ("late", "pushed_meter", "a", "-1.5", "because"):
        assert part in line
    assert "minor units" not in line
    (line,) = discrepancy_lines([row | {"amount_delta_minor": -120, "currency": "jpy"}])
    assert "quantity -1.5, -120 minor units of jpy; because" in line


def test_ten_thousand_accounts_do_not_fill_the_terminal() -> None:
    """The first ones are listed and the others counted; all of them are in the mart."""
    accounts = [
        {"account_id": f"a{n:05d}", "name": "n", "currency": "usd", "timezone": "UTC"}
        for n in range(10_000)
    ]
    lines = list(summary_lines(_summary(accounts=accounts)))
    assert "Accounts: 10000" in lines
    assert sum("a00" in line for line in lines) == 60
    assert "  and 9940 more in dim_accounts" in lines
