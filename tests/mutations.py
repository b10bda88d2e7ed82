"""Ways to spoil a valid record, for the tests that nothing is lost by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def few(examples: int) -> Callable[[Any], Any]:
    """So many examples, the same in every run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


seeds = st.integers(0, 2**32)


# Values of a wrong type, out of any range, in no zone, or with characters that no text has.
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 2**64, 10**40, -(10**30), 1.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "x" * 5000, "\0", "a\0b", "\ud800", "\u2028", "\U0001f600", "null", "{}",
    "NaN", "1e400", "9" * 400, "0x10", "2026-08-01", "2026-08-01T10:10:00", "2026-13-01T00:00:00Z",
    "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-08-01T00:00:00+99:00",
    "2026-08-01T00:00:00 Mars", 1785571200, 1785571200000, [], [[]], [None], {}, {"a": {"a": None}},
    {"": 1}, {"\0": "\0"}, ["x"] * 50,
]  # fmt: skip
# Texts in place of a number, which no encoder writes.
ODD_NUMBERS = ["1e9999999999999999999", "9" * 5000, "-0", "01", "1.", "+1", "NaN", "1e-9999"]
ODD_NAMES = [
    "",
    "\0",
    "raw",
    "load_seq",
    "__number",
    "known_at",
    "ok",
    "a" * 300,
    "\ud800",
    '"',
    "id",
]


def spoil_values(random: Random, record: dict[str, Any]) -> dict[str, Any]:
    """The record with some values changed, dropped or under another name, at any depth."""
    spoiled = dict(record)
    for key in random.sample([*spoiled], k=random.randint(1, min(2, len(spoiled)))):
        value = spoiled[key]
        what = random.randrange(5)
        if what == 0:
            del spoiled[key]
        elif what == 1:
            spoiled[random.choice(ODD_NAMES)] = spoiled.pop(key)
        elif what == 2 and isinstance(value, dict) and value:
            spoiled[key] = spoil_values(random, value)
        elif what == 2 and isinstance(value, str) and value.startswith("{"):
            spoiled[key] = json.dumps(spoil_values(random, json.loads(value)))
        elif what == 2 and isinstance(value, list) and value and isinstance(value[0], dict):
            spoiled[key] = [spoil_values(random, value[0]), *value]
        else:
            spoiled[key] = random.choice(ODD_VALUES)
    return spoiled


def spoil_text(random: Random, text: bytes) -> bytes:
    """One line of bytes, cut, in another encoding, or with bytes that do not belong."""
    at = random.randrange(len(text))
    ways: list[Callable[[], bytes]] = [
        lambda: text[:at] or b"{",
        lambda: text[:at] + b"\xff\xfe" + text[at:],
        lambda: text[:at] + b"\0" + text[at:],
        lambda: text[:at] + b"\xed\xa0\x80" + text[at:],
        lambda: text[:at] + random.randbytes(4).replace(b"\n", b"") + text[at:],
        lambda: text.decode().encode("utf-16").replace(b"\n", b""),
        lambda: text.decode().encode("utf-16-le").replace(b"\n", b""),
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text + text,
        lambda: b"[" * 50_000,
        lambda: b"[" + text + b"]",
        lambda: text.replace(b"{", b'{"id":"twice","id":"twice",', 1),
        lambda: text.replace(b'":', b'":' + random.choice(ODD_NUMBERS).encode() + b',"":', 1),
        lambda: text.replace(b"}", b",}"),
        lambda: text.replace(b'"', b"'"),
        lambda: b"null",
        lambda: b'"text"',
    ]
    return random.choice(ways)()
