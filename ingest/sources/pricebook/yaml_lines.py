"""Reading YAML as the price book needs it: plain values, and the line of every key.

Differs from `yaml.safe_load` where that would guess with money: a number that is not a plain whole
number stays the text that was written (`Unquoted`), times stay text, and a key given twice is an
error instead of the last one winning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

# Where a value sits in its file: keys and list positions from the top.
Location = tuple[str | int, ...]

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TAG = "tag:yaml.org,2002:"
# Aliases may repeat a part, but a file that unfolds to more values than this is a mistake.
_LARGEST = 300_000


@dataclass(frozen=True)
class Unquoted:
    """A number that YAML would read as a float, or in another base: what was written."""

    text: str


# None, bool, int, str and Unquoted, in lists and in dicts with text keys.
Value = None | bool | int | str | Unquoted | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True)
class Problem:
    """One error of the book: where, and what to do. Sorts by place."""

    file: str
    line: int
    location: Location
    message: str

    def __str__(self) -> str:
        path = path_text(self.location)
        return f"{self.file}:{self.line}: {path}{': ' if path else ''}{self.message}"

    def sort_key(self) -> tuple[str, int, str, str]:
        return (self.file, self.line, path_text(self.location), self.message)


@dataclass
class Document:
    """One file of the book: its values, the line of each of them, and what is wrong already."""

    file: str
    content: bytes | None = None
    value: Value = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line (from 1) of a value, or of the nearest thing around it that is there."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def report(self, location: Location, message: str) -> None:
        """Note a problem at a place in this file."""
        self.problems.append(Problem(self.file, self.line(location), location, message))


def path_text(location: Location) -> str:
    """A place as people write it: `plans[1].versions[0].currency`."""
    text = ""
    for part in location:
        if isinstance(part, str) and _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def read_document(path: Path, file: str) -> Document:
    """Read one file; `file` is the name that messages use.

    What cannot be read is a problem of the document, never an exception.
    """
    document = Document(file)
    try:
        document.content = path.read_bytes()
        text = document.content.decode("utf-8-sig")
    except OSError as error:
        document.report((), f"cannot be read: {error.strerror}")
        return document
    except UnicodeDecodeError as error:
        document.report((), f"is not UTF-8 text at byte {error.start}")
        return document
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            document.value = _Reader(document).read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        document.problems.append(Problem(file, line, (), f"is not YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem(file, line, (), f"is not YAML: {error.reason}"))
    except RecursionError:
        document.report((), "is nested too deeply")
    return document


class _Reader:
    """Turns nodes to values and notes their lines."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def read(self, node: yaml.Node, location: Location) -> Value:
        self._document.lines.setdefault(location, node.start_mark.line + 1)
        self._count += 1
        if self._count > _LARGEST:
            raise yaml.MarkedYAMLError(
                problem=f"unfolds to more than {_LARGEST} values", problem_mark=node.start_mark
            )
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(
                problem="an alias that contains itself", problem_mark=node.start_mark
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        self._open.add(id(node))
        value = (
            self._mapping(node, location)
            if isinstance(node, yaml.MappingNode)
            else [self.read(item, (*location, i)) for i, item in enumerate(node.value)]
        )
        self._open.discard(id(node))
        return value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        for key_node, value_node in self._pairs(node):
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key must be text", problem_mark=key_node.start_mark
                )
            key = key_node.value
            place = (*location, key)
            if key in mapping:
                first = self._document.lines[place]
                self._document.problems.append(
                    Problem(
                        self._document.file,
                        key_node.start_mark.line + 1,
                        place,
                        f"given twice: first in line {first}",
                    )
                )
                continue
            self._document.lines[place] = key_node.start_mark.line + 1
            mapping[key] = self.read(value_node, place)
        return mapping

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Keys and values, those of a `<<` last and only where the mapping has not its own."""
        own = [pair for pair in node.value if pair[0].tag != f"{_TAG}merge"]
        yield from own
        taken = {key.value for key, _ in own}
        for _, merged in (pair for pair in node.value if pair[0].tag == f"{_TAG}merge"):
            sources = merged.value if isinstance(merged, yaml.SequenceNode) else [merged]
            for source in sources:
                if not isinstance(source, yaml.MappingNode) or id(source) in self._open:
                    raise yaml.MarkedYAMLError(
                        problem="`<<` takes another mapping, or a list of them",
                        problem_mark=merged.start_mark,
                    )
                self._open.add(id(source))
                pairs = list(self._pairs(source))
                self._open.discard(id(source))
                for key, value in pairs:
                    if key.value not in taken:
                        taken.add(key.value)
                        yield key, value

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Value:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        if kind == "int" and _WHOLE.fullmatch(text):
            return int(text)
        if kind in {"int", "float"}:
            return Unquoted(text)
        self._document.report(location, f"a value of YAML type {node.tag!r} has no meaning here")
        return text
