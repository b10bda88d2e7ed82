"""Request parameters held against the parameter types of the installed SDK.

The SDK's types are generated from Stripe's own description of its interface, so what this server
accepts is what Stripe's current version accepts, and nothing else.
"""

import re
import sys
from decimal import Decimal
from functools import cache
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict

from dagster_project.stripe.server.errors import ApiError, invalid, missing, unknown

_INTEGER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")


def accept(params: dict[str, Any], shape: type, prefix: str = "") -> dict[str, Any]:
    """The parameters with their proper types; `ApiError` for what is unknown, missing or wrong.

    Decimal parameters must be in fixed point: whether Stripe reads exponents is not known.
    """
    kinds, required = _shape(shape)
    accepted: dict[str, Any] = {}
    for name, value in params.items():
        where = f"{prefix}[{name}]" if prefix else name
        if name not in kinds:
            raise unknown(where)
        accepted[name] = _coerce(value, kinds[name], where)
    for name in sorted(required - set(accepted)):
        raise missing(f"{prefix}[{name}]" if prefix else name)
    return accepted


@cache
def _shape(shape: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Names and types of a TypedDict without the options that are not parameters."""
    options = set(RequestOptions.__annotations__)
    own = {name: kind for name, kind in shape.__annotations__.items() if name not in options}
    module = vars(sys.modules[shape.__module__])
    kinds = get_type_hints(SimpleNamespace(__annotations__=own), globalns=module, localns=module)
    return kinds, frozenset(shape.__required_keys__) - options


def _coerce(value: Any, kind: Any, where: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _first_fit(value, args, where)
    if origin is Literal:
        if value in args:
            return value
        raise invalid(where, f"Invalid {where}: must be one of {', '.join(map(str, args))}")
    if origin is list:
        if isinstance(value, dict) and all(key.isdigit() for key in value):
            ordered = [value[key] for key in sorted(value, key=int)]
            return [_coerce(item, args[0], f"{where}[{i}]") for i, item in enumerate(ordered)]
        raise invalid(where, f"Invalid array: {where}")
    if origin is dict:
        if isinstance(value, dict):
            return {key: _coerce(item, args[1], f"{where}[{key}]") for key, item in value.items()}
        raise invalid(where, f"Invalid object: {where}")
    if is_typeddict(kind):
        if isinstance(value, dict):
            return accept(value, kind, where)
        raise invalid(where, f"Invalid object: {where}")
    return _plain(value, kind, where)


def _first_fit(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    failure: ApiError | None = None
    # A closed list of words next to a free text: the words first, so that they are recognised.
    for kind in kinds:
        if kind is NoneType:
            continue
        try:
            return _coerce(value, kind, where)
        except ApiError as error:
            failure = error
    raise failure or invalid(where, f"Invalid {where}")


def _plain(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, str):
        raise invalid(where, f"Invalid string: {where}")
    if kind is str:
        return value
    if kind is int and _INTEGER.fullmatch(value):
        return int(value)
    if kind is bool and value in ("true", "false"):
        return value == "true"
    if kind in (Decimal, float) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    names = {int: "integer", bool: "boolean", Decimal: "decimal", float: "decimal"}
    raise invalid(where, f"Invalid {names.get(kind, 'value')}: {value}", "parameter_invalid")
