"""The summary and the quality page that every run leaves in `<home>/reports`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.lib import pipeline, progress, quality_report, run_plan
from dagster_project.lib.paths import HomeLayout
from dagster_project.lib.run_plan import Plan
from ingest.settings import Settings
from reports.summary import read_summary, summary_lines


@dataclass(frozen=True)
class WrittenSummary:
    """The summary as written: `path` is the JSON, `text` the lines for people."""

    path: Path
    sha256: str
    text: str


def write(settings: Settings, *, run_id: str) -> WrittenSummary:
    """Read the published marts and write run_summary.json and .txt, then the quality page."""
    layout = HomeLayout(settings.home)
    with progress.current().stage("summary"):
        summary = read_summary(layout.marts_database, layout.marts_folder)
        with pipeline.warehouse(settings, read_only=True) as con:
            plan = run_plan.read_plan(con, run_id) or run_plan.read_plan(con)
    summary["run"] = _run(plan, run_id)
    summary["seconds"] = {
        name: f"{seconds:.1f}" for name, seconds in progress.current().seconds.items()
    }
    summary["quality_page"] = str(layout.quality)
    text = "\n".join(summary_lines(summary))
    content = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    _replace(layout.summary, content)
    _replace(layout.summary.with_suffix(".txt"), text + "\n")
    quality_report.write(settings, run_id=run_id)
    return WrittenSummary(layout.summary, hashlib.sha256(content.encode()).hexdigest(), text)


def write_json(settings: Settings, name: str, content: Any) -> Path:
    """Write a report as JSON to `<home>/reports/<name>`, replacing it as a whole."""
    path = HomeLayout(settings.home).reports / name
    _replace(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path


def read(settings: Settings) -> dict[str, Any]:
    """The summary of the latest run."""
    content: dict[str, Any] = json.loads(HomeLayout(settings.home).summary.read_text())
    return content


def _run(plan: Plan | None, run_id: str) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "run_id": run_id,
        "as_of": plan.inputs.as_of.isoformat().replace("+00:00", "Z"),
        "nothing_new": plan.nothing_new and plan.run_id == run_id,
        "built": f"built again in full: {plan.reason}"
        if plan.rebuild_usage
        else "added what is new" + (f"; rated again: {plan.reason}" if plan.reason else ""),
    }


def _replace(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)
