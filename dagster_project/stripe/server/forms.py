"""Stripe's form encoding: `recurring[interval]=month`, `tiers[0][up_to]=inf`, `expand[]=tiers`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from dagster_project.stripe.server.errors import invalid

_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_KEY = re.compile(r"\[([^\[\]]*)\]")


def decode(text: str) -> dict[str, Any]:
    """Nested dicts of texts; list entries have their index as key."""
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        match = _NAME.match(name)
        if match is None:
            raise invalid(name, f"Invalid parameter name: {name}")
        keys = [match.group(1), *_KEY.findall(match.group(2))]
        place = decoded
        for key in keys[:-1]:
            inner = place.setdefault(key, {})
            if not isinstance(inner, dict):
                raise invalid(name, f"Invalid parameter: {name}")
            place = inner
        place[keys[-1] or str(len(place))] = value
    return decoded
