"""Seeded chance. Whole numbers only: the same seed gives the same bytes on every platform."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Seeded:
    """A named stream of chance; adding a stream never disturbs another."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}")  # noqa: S311  repeatable by design

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self._random.getrandbits(64) % (high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.between(0, len(options) - 1)]

    def permille(self, chance: int) -> bool:
        """True `chance` times in a thousand."""
        return self.between(1, 1000) <= chance

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def hex(self, length: int) -> str:
        return "".join(self.pick("0123456789abcdef") for _ in range(length))

    def base36(self, length: int) -> str:
        return "".join(self.pick(_BASE36) for _ in range(length))

    def base62(self, length: int) -> str:
        return "".join(self.pick(_BASE62) for _ in range(length))

    def stripe_id(self, prefix: str, length: int = 14) -> str:
        """An id as Stripe writes them, `cus_` and so on."""
        return f"{prefix}_{self.base62(length)}"
