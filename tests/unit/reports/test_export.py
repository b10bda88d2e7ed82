"""Exports: rows, bytes, manifest."""

import hashlib
import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingest.errors import UsageError
from reports.exports.export import Request, export
from tests.unit.reports.made_marts import write_marts

pytestmark = pytest.mark.unit


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    return write_marts(tmp_path / "marts.duckdb")


def _request(out: Path, name: str = "usage", **changes: object) -> Request:
    values: dict[str, object] = {
        "name": name,
        "from_date": date(2026, 8, 1),
        "to_date": date(2026, 8, 3),
        "out": out,
    }
    return Request(**(values | changes))  # type: ignore[arg-type]


def test_usage_bytes_are_exactly_these(marts: Path, tmp_path: Path) -> None:
    """Half-open days, stable order, declared scale, a defused account id."""
    out = tmp_path / "out"
    manifest = export(marts, _request(out))
    content = (out / "usage.csv").read_bytes()
    assert content == (
        b"usage_date,account_id,meter_id,dimensions,quantity,inferred_quantity\r\n"
        b"2026-08-01,'=acct_b,requests,"
        b'"{""region"":""eu""}",1.0000000000000000,0.0000000000000000\r\n'
        b"2026-08-01,acct_a,requests,{},2.5000000000000000,0.0000000000000000\r\n"
        b"2026-08-02,acct_a,requests,{},3.0000000000000000,0.0000000000000000\r\n"
    )
    assert manifest["files"] == [
        {
            "path": "usage.csv",
            "rows": 3,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert manifest["control_totals"] == [
        {"meter_id": "requests", "rows": 3, "quantity": "6.5000000000000000"}
    ]
    assert manifest["status"] == "open"
    assert manifest["run_id"] == "run-1"
    assert manifest["pricebook_digest"] == "abc"
    assert json.loads((out / "manifest.json").read_text()) == manifest


def test_charges_bytes_are_exactly_these(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = export(marts, _request(out, "charges"))
    assert (out / "charges.csv").read_bytes() == (
        b"charge_id,statement_id,account_id,subscription_id,plan_id,plan_version,charge_key,"
        b"meter_id,period_start,period_end,charge_class,quantity,amount,amount_minor,currency,"
        b"corrects_charge_id,statement_status\r\n"
        b"ch_1,st_1,acct_a,sub_1,pro,2026-01-01T00:00:00Z,requests,requests,"
        b"2026-08-01T00:00:00Z,2026-09-01T00:00:00Z,usage,9.500000000000,4.750000000000000000,"
        b"475,usd,,closed\r\n"
    )
    assert manifest["status"] == "closed"
    assert manifest["control_totals"] == [
        {"currency": "usd", "rows": 1, "amount": "4.750000000000000000", "amount_minor": 475}
    ]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_second_export_is_the_same_bytes(marts: Path, tmp_path: Path, file_format: str) -> None:
    def contents(out: Path) -> dict[str, bytes]:
        export(marts, _request(out, format=file_format))
        return {path.name: path.read_bytes() for path in out.iterdir()}

    first = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == first
    assert contents(tmp_path / "one") == first
    assert sorted(first) == ["datapackage.json", "manifest.json", f"usage.{file_format}"]


def test_parquet_keeps_types_and_text(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(marts, _request(out, format="parquet", account="=acct_b"))
    rows = duckdb.sql(
        f"select account_id, quantity, typeof(quantity) from '{out}/usage.parquet'"
    ).fetchall()
    assert [(row[0], str(row[1]), row[2]) for row in rows] == [
        ("=acct_b", "1.0000000000000000", "DECIMAL(38,16)")
    ]


def test_data_package_describes_the_file(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = export(marts, _request(out))
    (resource,) = json.loads((out / "datapackage.json").read_text())["resources"]
    assert resource["hash"] == f"sha256:{manifest['files'][0]['sha256']}"
    assert resource["bytes"] == (out / "usage.csv").stat().st_size
    assert [field["name"] for field in resource["schema"]["fields"]] == [
        "usage_date",
        "account_id",
        "meter_id",
        "dimensions",
        "quantity",
        "inferred_quantity",
    ]
    assert [field["type"] for field in resource["schema"]["fields"]][4] == "number"


def test_a_failure_leaves_no_manifest_and_no_scratch(
    marts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a manifest nobody takes the folder for complete; with the old one nobody misreads."""
    out = tmp_path / "out"
    export(marts, _request(out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def broken(*_: object, **__: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr("reports.exports.export.write_csv", broken)
    with pytest.raises(OSError, match="disk full"):
        export(marts, _request(out, to_date=date(2026, 8, 4)))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_window_without_rows_is_a_header(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    window = {"from_date": date(2026, 7, 1), "to_date": date(2026, 8, 1)}
    manifest = export(marts, _request(out, **window))
    assert manifest["files"][0]["rows"] == 0
    assert manifest["status"] == "closed"
    assert (out / "usage.csv").read_bytes().count(b"\r\n") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"account": "nobody"}, "no account 'nobody'"),
        ({"to_date": date(2026, 8, 1)}, "not before"),
        ({"name": "focus"}, "no 'focus'"),
        ({"format": "parquet", "excel": True}, "--excel"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    marts: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        export(marts, _request(tmp_path / "out", **changes))


def test_another_export_is_not_overwritten(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(marts, _request(out))
    with pytest.raises(UsageError, match="describes usage"):
        export(marts, _request(out, "charges"))


def test_nothing_published_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no published marts"):
        export(tmp_path / "marts.duckdb", _request(tmp_path / "out"))
