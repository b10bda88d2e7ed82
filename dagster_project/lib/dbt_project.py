"""The parsed dbt project: built once for the repository and reused by every home.

A parse takes seconds and gives the same manifest for every home, because all homes name their
warehouse file alike. It is kept in `dbt/target` beside the digest of the files it came from.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from dagster_project.lib.paths import DBT_PROJECT
from ingest.errors import UsageError

_GENERATED = {"target", "logs", "dbt_packages"}
_MANIFEST = "manifest.json"
_PARTIAL_PARSE = "partial_parse.msgpack"
_DIGEST = "meterhouse_digest"


def code_digest(project: Path = DBT_PROJECT) -> str:
    """SHA-256 over the names and contents of the dbt project's own files."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(project)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def manifest_path(project: Path = DBT_PROJECT) -> Path:
    """Where the manifest is kept, whether or not it has been built."""
    return project / "target" / _MANIFEST


def prepare_manifest(project: Path = DBT_PROJECT) -> Path:
    """Return the manifest, parsing the project first when its files changed since the last parse.

    Raises UsageError when the project does not parse, with dbt's own message.
    """
    target = project / "target"
    wanted = code_digest(project)
    if not _is_current(target, wanted):
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / "meterhouse.lock"):
            if not _is_current(target, wanted):
                _parse(project, target)
                (target / _DIGEST).write_text(wanted)
    return target / _MANIFEST


def read_manifest(project: Path = DBT_PROJECT) -> dict[str, Any]:
    """The prepared manifest, in which every test that names its asset is a child of that asset.

    Dagster looks for an asset's checks among the asset's children only. A test about a mart that
    reads an earlier model, or none, would run without being a check: no history, nothing to block.
    """
    manifest: dict[str, Any] = json.loads(prepare_manifest(project).read_text(encoding="utf-8"))
    by_name = {
        node["name"]: name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    for name, node in manifest["nodes"].items():
        about = node["config"].get("meta", {}).get("dagster", {}).get("ref", {}).get("name")
        if node["resource_type"] == "test" and about in by_name:
            children = manifest["child_map"][by_name[about]]
            if name not in children:
                children.append(name)
    return manifest


def copy_partial_parse(home_target: Path, project: Path = DBT_PROJECT) -> None:
    """Give a home's target folder the repository's parse, for dbt commands run there by hand."""
    source = project / "target" / _PARTIAL_PARSE
    copy = home_target / _PARTIAL_PARSE
    home_target.mkdir(parents=True, exist_ok=True)
    if source.exists() and (
        not copy.exists() or copy.stat().st_mtime_ns < source.stat().st_mtime_ns
    ):
        shutil.copy2(source, copy)


def partial_parse_path(project: Path = DBT_PROJECT) -> Path:
    """dbt's own binary form of the manifest, which loads much faster than the JSON."""
    return project / "target" / _PARTIAL_PARSE


def _source_files(project: Path) -> list[Path]:
    found: list[Path] = []
    for folder, names, files in os.walk(project):
        if Path(folder) == project:
            names[:] = [name for name in names if name not in _GENERATED]
        names[:] = [name for name in names if not name.startswith((".", "__"))]
        found.extend(Path(folder) / name for name in files if not name.startswith("."))
    return found


def _is_current(target: Path, wanted: str) -> bool:
    mark = target / _DIGEST
    return (
        mark.exists()
        and (target / _MANIFEST).exists()
        and (target / _PARTIAL_PARSE).exists()
        and mark.read_text() == wanted
    )


def _parse(project: Path, target: Path) -> None:
    from dagster_project.lib.dbt_build import invoke_dbt, parse_args

    # The file name decides the database name inside the manifest, so it is that of every home.
    outcome = invoke_dbt(parse_args(project, target), warehouse=target / "warehouse.duckdb")
    if outcome.error is not None:
        raise UsageError(f"the dbt project in {project.name}/ does not parse: {outcome.error}")
