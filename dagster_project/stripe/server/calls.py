"""What a handler gets, and the ways in which all lists are alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dagster_project.stripe.server.errors import invalid, no_such
from dagster_project.stripe.server.params import accept
from dagster_project.stripe.server.store import Store


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `params` decoded from form or query, `now` in unix seconds."""

    store: Store
    path: str
    params: dict[str, Any]
    now: int
    idempotency_key: str | None
    any_customer: bool
    error_lag: int
    summary_lag: int

    def accept(self, shape: type) -> dict[str, Any]:
        """The parameters, validated against one of the SDK's parameter types."""
        return accept(self.params, shape)


Handler = Callable[..., dict[str, Any]]


def need(store: Store, kind: str, noun: str, object_id: str, param: str = "id") -> dict[str, Any]:
    """The object, or Stripe's 404 for its noun (as a parameter of another object: 400)."""
    found = store.get(kind, object_id)
    if found is None:
        raise no_such(noun, object_id, param=param, status=404 if param == "id" else 400)
    return found


def page(call: Call, objects: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """One page of a list that is already filtered and in order."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("limit", f"Invalid integer: limit must be between 1 and 100, got {limit}")
    ids = [item["id"] for item in objects]
    after, before = params.get("starting_after"), params.get("ending_before")
    if after is not None and before is not None:
        raise invalid(
            "ending_before", "You may only specify one of these: starting_after, ending_before."
        )
    if after is not None:
        rest = objects[_position(ids, after, "starting_after") + 1 :]
        chosen, more = rest[:limit], len(rest) > limit
    elif before is not None:
        rest = objects[: _position(ids, before, "ending_before")]
        chosen, more = rest[-limit:], len(rest) > limit
    else:
        chosen, more = objects[:limit], len(objects) > limit
    return {"object": "list", "data": chosen, "has_more": more, "url": call.path}


def in_range(value: int | None, wanted: Any) -> bool:
    """Whether a time fits a filter: a moment, or `gt gte lt lte` bounds; None fits none."""
    if wanted is None:
        return True
    if value is None:
        return False
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return bool(
        value > wanted.get("gt", value - 1)
        and value >= wanted.get("gte", value)
        and value < wanted.get("lt", value + 1)
        and value <= wanted.get("lte", value)
    )


def merge_metadata(old: dict[str, str], new: Any) -> dict[str, str]:
    """Metadata after an update: a key set to the empty text goes, the empty text alone clears."""
    if new == "":
        return {}
    merged = {**old, **(new or {})}
    return {key: value for key, value in merged.items() if value != ""}


def _position(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise no_such("object", wanted, param=param, status=400)
    return ids.index(wanted)
