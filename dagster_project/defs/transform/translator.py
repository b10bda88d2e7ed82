"""How dbt nodes become assets."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from dagster_project.defs.constants import OWNERS, raw_key


class MeterhouseTranslator(DagsterDbtTranslator):
    """Models are named after themselves, sources after the raw asset that fills them."""

    def __init__(self) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(
                enable_asset_checks=True,
                enable_source_tests_as_checks=True,
                # The four price book tables are one asset, as are the ledger's copies.
                enable_duplicate_source_asset_keys=True,
            )
        )
        # Asked for again by every model that is built from it.
        self._own_specs: dict[str, dg.AssetSpec] = {}

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`raw/<asset>` for a source, the bare name for everything else."""
        if dbt_resource_props["resource_type"] == "source":
            return raw_key(dbt_resource_props["name"])
        return dg.AssetKey(dbt_resource_props["name"])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own description; the SQL is a click away and would drown it."""
        return str(dbt_resource_props.get("description") or "")

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Add the group, the owner and the layer that a model's folder says it has."""
        if unique_id not in self._own_specs:
            self._own_specs[unique_id] = self._own_spec(manifest, unique_id, project)
        return self._own_specs[unique_id]

    def _own_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        folders = _folders(manifest, unique_id)
        if not folders:
            return spec
        if spec.group_name in (None, "default"):
            spec = spec.replace_attributes(group_name=_group(folders))
        if not spec.owners:
            spec = spec.replace_attributes(owners=OWNERS)
        return spec.merge_attributes(tags={"layer": folders[0]})


def _folders(manifest: Mapping[str, Any], unique_id: str) -> list[str]:
    node = manifest["nodes"].get(unique_id)
    if node is None:
        return []
    return list(node["fqn"][1:-1]) or [node["resource_type"]]


def _group(folders: list[str]) -> str:
    return "_".join(folders[:2]) if folders[0] == "intermediate" else folders[0]
