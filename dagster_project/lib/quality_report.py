"""Collects what the quality page shows from the warehouse, and writes the page.

It is written after every run, also after one that a check stopped: then above all.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib import check_results, pipeline, progress
from dagster_project.lib.billing import rows_of
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.tables import table_exists
from ingest.settings import Settings
from reports.quality import in_words, render_quality

SAMPLES = 3
MOST_GROUPS = 200
MOST_FILES = 500

Row = dict[str, Any]


def write(settings: Settings, *, run_id: str) -> Path:
    """Write `<home>/reports/quality.html` from the warehouse, replacing it as a whole."""
    with progress.current().stage("quality"), pipeline.warehouse(settings, read_only=True) as con:
        text = render_quality(read_quality(con, settings.now, run_id))
    path = HomeLayout(settings.home).quality
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def read_quality(con: duckdb.DuckDBPyConnection, now: datetime, run_id: str) -> Row:
    """Checks, quarantine and rows of an open warehouse, as plain values for the page."""
    context = rows_of(con, "select as_of from ops.run_context")
    files = _files(con)
    waiting, replaced = _quarantined(con)
    groups = _quarantine(con)
    wrong_first = sorted(files, key=lambda file: (file["adds_up"] is True, file["file"]))
    return {
        "run_id": run_id,
        "written_at": _text(now),
        "as_of": _text(context[0]["as_of"]) if context else None,
        "checks": _checks(con),
        "waiting": waiting,
        "replaced": replaced,
        "quarantine": groups[:MOST_GROUPS],
        "quarantine_left_out": max(len(groups) - MOST_GROUPS, 0),
        "records": sum(file["records"] for file in files),
        "file_count": len(files),
        "accounted": sum(sum(file["rows"].values()) for file in files),
        "is_counted": all(file["adds_up"] is not None for file in files),
        "totals": _added(files),
        "sources": _sources(files),
        "files": wrong_first[:MOST_FILES],
        "files_left_out": max(len(files) - MOST_FILES, 0),
    }


def _checks(con: duckdb.DuckDBPyConnection) -> list[Row]:
    checked = {
        row["check_name"]: _text(row["checked_at"])
        for row in rows_of(con, "select check_name, checked_at from ops.check_results")
    }
    return [
        {
            "check_name": result.check_name,
            "words": in_words(result.check_name, result.asset),
            "asset": result.asset,
            "passed": result.passed,
            "blocking": result.blocking,
            "failing_rows": result.failing_rows,
            "detail": result.detail,
            "rows": [
                {
                    "file": row.file,
                    "record_number": row.record_number,
                    "content": row.content,
                }
                for row in result.rows
            ],
            "checked_at": checked[result.check_name],
        }
        for result in check_results.stored(con)
    ]


def _quarantined(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many quarantined records stand in files of the landing zone, and how many did."""
    (row,) = rows_of(
        con,
        """
        select count(*) filter (where loads.is_current) as waiting,
               count(*) filter (where not loads.is_current) as replaced
        from ops.quarantine as quarantine inner join ops.loads as loads using (load_seq)
        """,
    )
    return row["waiting"], row["replaced"]


def _quarantine(con: duckdb.DuckDBPyConnection) -> list[Row]:
    return rows_of(
        con,
        f"""
        with waiting as (
            select quarantine.*,
                   -- Records that differ only in the value that is quoted have one reason.
                   regexp_replace(quarantine.reason, '''[^'']*''', '…', 'g') as kind
            from ops.quarantine as quarantine inner join ops.loads as loads using (load_seq)
            where loads.is_current
        )
        select source, file, count(*) as records,
               case when count(distinct reason) = 1 then min(reason) else kind end as reason,
               list(struct_pack(record_number := record_number, raw := raw)
                    order by record_number)[:{SAMPLES}] as samples
        from waiting
        group by source, file, kind order by source, records desc, file, reason
        """,
    )


def _files(con: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each content ever loaded with the rows of each disposition.

    `adds_up` is None for what was loaded since the rows were last counted.
    """
    counted: dict[tuple[str, str], dict[str, int]] = {}
    if table_exists(con, "marts", "fct_row_dispositions"):
        for row in rows_of(
            con,
            "select source, content_sha256, disposition, rows from marts.fct_row_dispositions"
            " order by disposition",
        ):
            key = (row["source"], row["content_sha256"])
            counted.setdefault(key, {})[row["disposition"]] = row["rows"]
    built = "select 0 as load_seq"
    if table_exists(con, "ops", "builds"):
        built = "select coalesce(max(load_seq), 0) as load_seq from ops.builds"
    found = []
    for row in rows_of(
        con,
        f"""
        select source, min(file) as file, content_sha256, bool_or(is_current) as is_current,
               sum(records)::bigint as records,
               max(loads.load_seq) > any_value(built.load_seq) as is_new
        from ops.loads as loads cross join ({built}) as built
        group by source, content_sha256 order by source, file, content_sha256
        """,
    ):
        rows = counted.get((row["source"], row["content_sha256"]), {})
        adds_up: bool | None = sum(rows.values()) == row["records"]
        if not adds_up and not rows and row["is_new"]:
            adds_up = None
        found.append(
            {
                "source": row["source"],
                "file": row["file"],
                "is_current": row["is_current"],
                "records": row["records"],
                "rows": rows,
                "adds_up": adds_up,
            }
        )
    return found


def _sources(files: Sequence[Row]) -> list[Row]:
    by_source: dict[str, list[Row]] = {}
    for file in files:
        by_source.setdefault(file["source"], []).append(file)
    found = []
    for source, its_files in sorted(by_source.items()):
        rows = _added(its_files)
        answers = {file["adds_up"] for file in its_files}
        found.append(
            {
                "source": source,
                "rows": rows,
                "accounted": sum(rows.values()),
                "records": sum(file["records"] for file in its_files),
                "adds_up": False if False in answers else None if None in answers else True,
            }
        )
    return found


def _added(files: Sequence[Row]) -> dict[str, int]:
    total: dict[str, int] = {}
    for file in files:
        for disposition, rows in file["rows"].items():
            total[disposition] = total.get(disposition, 0) + rows
    return total


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
