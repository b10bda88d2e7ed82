"""Write one export: the data, a Frictionless data package, and the manifest last.

The manifest is the sign that an export is complete: it is removed first and put there last, so a
folder without one holds nothing to rely on.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb

from ingest.errors import UsageError
from reports.exports.csv_file import csv_text, write_csv
from reports.exports.tables import TABLES, ExportTable
from reports.marts import open_marts, sql_text

Format = Literal["csv", "parquet"]

MANIFEST = "manifest.json"
DATA_PACKAGE = "datapackage.json"
_FETCH = 10_000
_GUARD = (
    "in CSV a text that begins with = + - @ tab or carriage return has a leading apostrophe; "
    "numbers and Parquet are as they are"
)
_TYPES = {"DATE": "date", "BOOLEAN": "boolean", "BIGINT": "integer", "INTEGER": "integer"}


@dataclass(frozen=True)
class Request:
    """What to export: `from_date` included, `to_date` not, days in UTC; `account` None: all."""

    name: str
    from_date: date
    to_date: date
    out: Path
    account: str | None = None
    format: Format = "csv"
    excel: bool = False

    def check(self) -> None:
        """Raise UsageError for a request that cannot be meant."""
        if self.name not in TABLES:
            raise UsageError(f"export: no {self.name!r}; choose from {', '.join(TABLES)}")
        if self.from_date >= self.to_date:
            raise UsageError(
                f"export: --from {self.from_date} is not before --to {self.to_date}; the last day "
                "is not included"
            )
        if self.excel and self.format != "csv":
            raise UsageError("export: --excel is for CSV; leave it out or use --format csv")


def export(marts: Path, request: Request) -> dict[str, Any]:
    """Write the export that `request` asks for from the published marts; returns its manifest.

    Raises UsageError when nothing is published, the account is unknown, or the folder holds an
    export of another kind.
    """
    request.check()
    _refuse_other_export(request)
    request.out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=request.out))
    try:
        with open_marts(marts) as con:
            # One thread writes the rows in their order, so the same rows are the same bytes.
            con.execute("set threads = 1")
            manifest = _write(con, request, TABLES[request.name], folder)
        (request.out / MANIFEST).unlink(missing_ok=True)
        for name in (manifest["files"][0]["path"], DATA_PACKAGE, MANIFEST):
            (folder / name).replace(request.out / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _refuse_other_export(request: Request) -> None:
    standing = request.out / MANIFEST
    if request.out.exists() and not request.out.is_dir():
        raise UsageError(f"export: --out {request.out} is a file; give a folder")
    if standing.exists():
        try:
            kind = json.loads(standing.read_text(encoding="utf-8"))["export"]
        except (ValueError, KeyError, TypeError):
            kind = "something else"
        if kind != request.name:
            raise UsageError(
                f"export: {standing} describes {kind}, not {request.name}; give another --out"
            )


def _write(
    con: duckdb.DuckDBPyConnection, request: Request, table: ExportTable, folder: Path
) -> dict[str, Any]:
    values = {
        "from_date": request.from_date,
        "to_date": request.to_date,
        "account": request.account,
    }
    if request.account is not None:
        _check_account(con, request.account)
    fields = _fields(con, table, values)
    data = folder / f"{table.name}.{request.format}"
    if request.format == "csv":
        rows = write_csv(
            data,
            [name for name, _ in fields],
            _rows(con, table.query, values),
            byte_order_mark=request.excel,
        )
    else:
        rows = _write_parquet(con, table, values, data)
    described = {
        "path": data.name,
        "rows": rows,
        "bytes": data.stat().st_size,
        "sha256": _sha256(data),
    }
    shared = _shared(con, request, table, values)
    manifest = shared | {"files": [described]}
    _dump(folder / DATA_PACKAGE, _data_package(request, table, fields, described, shared))
    _dump(folder / MANIFEST, manifest)
    return manifest


def _check_account(con: duckdb.DuckDBPyConnection, account: str) -> None:
    known = con.execute(
        """
        select exists (from marts.dim_accounts where account_id = $account)
            or exists (from marts.fct_usage_daily where account_id = $account)
        """,
        {"account": account},
    ).fetchone()
    if known is None or not known[0]:
        raise UsageError(f"export: no account {account!r}; `meterhouse run` lists the accounts")


def _shared(
    con: duckdb.DuckDBPyConnection, request: Request, table: ExportTable, values: dict[str, Any]
) -> dict[str, Any]:
    build = _one(con, "select run_id, as_of, pricebook_digest from ops.build", {})
    used = {name: value for name, value in values.items() if f"${name}" in table.is_open}
    is_open = con.execute(table.is_open, used).fetchone()
    totals = con.execute(table.totals, values)
    names = [column[0] for column in totals.description or ()]
    return {
        "export": table.name,
        "from": request.from_date.isoformat(),
        "to": request.to_date.isoformat(),
        "window": f"{table.window}: from included, to excluded, UTC",
        "account": request.account,
        "status": "open" if is_open and is_open[0] else "closed",
        **build,
        "control_totals": [
            {
                name: value if isinstance(value, int) else csv_text(value)
                for name, value in zip(names, row, strict=True)
            }
            for row in totals.fetchall()
        ],
        "text_guard": _GUARD,
    }


def _one(con: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> dict[str, Any]:
    found = con.execute(query, values)
    names = [column[0] for column in found.description or ()]
    row = found.fetchone() or [None] * len(names)
    return {name: csv_text(value) for name, value in zip(names, row, strict=True)}


def _fields(
    con: duckdb.DuckDBPyConnection, table: ExportTable, values: dict[str, Any]
) -> list[tuple[str, str]]:
    found = con.execute(f"describe {table.query}", values).fetchall()
    return [(row[0], row[1]) for row in found]


def _rows(
    con: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    result = con.execute(query, values)
    while batch := result.fetchmany(_FETCH):
        yield from batch


def _write_parquet(
    con: duckdb.DuckDBPyConnection, table: ExportTable, values: dict[str, Any], path: Path
) -> int:
    target = sql_text(path)
    con.execute(f"copy ({table.query}) to {target} (format parquet, compression zstd)", values)
    row = con.execute(f"select count(*) from read_parquet({target})").fetchone()
    return int(row[0]) if row else 0


def _data_package(
    request: Request,
    table: ExportTable,
    fields: list[tuple[str, str]],
    described: dict[str, Any],
    shared: dict[str, Any],
) -> dict[str, Any]:
    is_csv = request.format == "csv"
    resource: dict[str, Any] = {
        "name": table.name,
        "type": "table",
        "path": described["path"],
        "format": request.format,
        "mediatype": "text/csv" if is_csv else "application/vnd.apache.parquet",
        "bytes": described["bytes"],
        "hash": f"sha256:{described['sha256']}",
        "rows": described["rows"],
        "schema": {
            "fields": [_field(name, type_) for name, type_ in fields],
            "missingValues": [""],
        },
    }
    if is_csv:
        resource |= {
            "encoding": "utf-8",
            "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "header": True},
        }
    return {
        "name": f"meterhouse-{table.name}",
        "title": table.title,
        "profile": "tabular-data-package",
        "resources": [resource],
        "meterhouse": shared,
    }


def _field(name: str, type_: str) -> dict[str, Any]:
    if type_.startswith("DECIMAL"):
        return {"name": name, "type": "number", "decimalChar": ".", "bareNumber": True}
    if type_.startswith("TIMESTAMP"):
        return {"name": name, "type": "datetime", "format": "any"}
    return {"name": name, "type": _TYPES.get(type_, "string")}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dump(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
