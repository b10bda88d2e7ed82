"""JSON with exact decimals: a Decimal is written digit by digit, never through a float."""

import json
from decimal import Decimal
from typing import Any


def dumps(value: Any) -> str:
    """The JSON text of dicts, lists, texts, whole numbers, decimals, booleans and None."""
    if isinstance(value, dict):
        inner = ",".join(f"{json.dumps(str(key))}:{dumps(item)}" for key, item in value.items())
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return fixed(value)
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value)
    raise TypeError(f"{type(value).__name__} has no exact JSON form")


def loads(text: str | bytes) -> Any:
    """What `dumps` wrote; numbers with a point become Decimal."""
    return json.loads(text, parse_float=Decimal)


def fixed(value: Decimal) -> str:
    """Fixed point without trailing zeros."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
