"""The quality page: every check, every quarantined record, and what became of every row, in HTML.

One file without scripts and without anything from a network: it can be mailed, archived, printed.
All that comes from records is escaped, control characters included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = "quality.html.jinja"
CONTENT_LIMIT = 600
PAIRS_LIMIT = 4_000

DISPOSITIONS = {
    "billed": "usage of an account with a plan",
    "not_billable": "carries no time, belongs to no plan, or is no usage",
    "unattributed": "usage of no known account",
    "superseded": "replaced by a newer record or file",
    "duplicate": "told before, counted once",
    "quarantined": "could not be read",
    "pending": "becomes known later",
}

_WORDS = (
    ("not_null", "{} is never missing", "a value"),
    ("never_missing", "none of these is ever missing: {}", "what every row needs"),
    ("unique_combination", "no two rows have the same {}", "key"),
    ("unique", "{} is never repeated", "a value"),
    ("accepted_values", "{} is one of {}", "a value"),
    ("relationships", "every {} is in {}", "key"),
)


def render_quality(found: Mapping[str, Any]) -> str:
    """The page as HTML text, from what `quality_report.read_quality` collects."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = shown
    environment.filters["count"] = _count
    environment.filters["plural"] = _plural
    environment.filters["pairs"] = pairs
    return environment.get_template(TEMPLATE).render(
        found=found, dispositions=DISPOSITIONS, **_judged(found)
    )


def in_words(check_name: str, asset: str) -> str:
    """A check's name as a sentence for people who do not read SQL."""
    if check_name == "models_build":
        return "every table could be built"
    name = check_name.removeprefix("source_")
    for kind, sentence, unnamed in _WORDS:
        rest = name.removeprefix(f"{kind}_")
        if rest != name:
            return _said(sentence, _parts(rest, asset.rpartition(".")[2]), unnamed)
    text = name.removeprefix("assert_").replace("_", " ").strip()
    return text[:1].lower() + text[1:]


def shown(text: object, limit: int = CONTENT_LIMIT) -> str:
    """Text of a record, cut when long, with what does not print made visible."""
    whole = str(text)
    cut = whole if len(whole) <= limit else f"{whole[: limit - 3]}..."
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in cut
    )


def pairs(content: str) -> list[tuple[str, str]]:
    """Names and values of a flat JSON object; nothing for any other text, or a long one."""
    if len(content) > PAIRS_LIMIT:
        return []
    try:
        said = json.loads(content, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return []
    if not isinstance(said, dict) or any(isinstance(each, dict | list) for each in said.values()):
        return []
    return [(name, "" if each is None else str(each)) for name, each in said.items()]


def _said(sentence: str, parts: Sequence[str], unnamed: str) -> str:
    """The sentence about the columns, and for those of two places about what they must be."""
    if sentence.count("{}") == 1:
        return sentence.format(", ".join(parts) or unnamed)
    named, others = parts[:1], parts[1:]
    reference = "__".join(others).partition("ref_")[2].rstrip("_")
    if reference:
        others = [reference]
    known = ", ".join(others) or "the known ones"
    return sentence.format("".join(named) or unnamed, known)


def _parts(rest: str, asset: str) -> list[str]:
    """What follows the asset in the name of a check; a long name ends in a digest instead."""
    if not rest.startswith(f"{asset}_") or re.search(r"_[0-9a-f]{32}$", rest):
        return []
    return rest.removeprefix(f"{asset}_").split("__")


def _judged(found: Mapping[str, Any]) -> dict[str, Any]:
    checks: Sequence[Mapping[str, Any]] = found["checks"]
    failing = [check for check in checks if not check["passed"]]
    by_asset: dict[str, list[Mapping[str, Any]]] = {}
    for check in checks:
        by_asset.setdefault(check["asset"] or "the whole", []).append(check)
    return {
        "blocking": [check for check in failing if check["blocking"]],
        "warnings": [check for check in failing if not check["blocking"]],
        "by_asset": sorted(by_asset.items()),
        "unbalanced": [file for file in found["files"] if file["adds_up"] is False],
    }


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
