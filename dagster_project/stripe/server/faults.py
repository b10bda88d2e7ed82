"""Failures on request: the server misbehaves for the requests that a fault matches."""

import threading
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

FaultKind = Literal[
    "error_500_before",
    "error_500_after",
    "drop_before",
    "drop_after",
    "conflict_409",
    "rate_limit_429",
    "slow_before",
    "slow_after",
    "hang_before",
    "hang_after",
]


@dataclass(slots=True)
class Fault:
    """One failure.

    `*_before` happens before the request's effect is committed, `*_after` after it. A drop closes
    the connection without an answer after `seconds`, a hang likewise, but without `seconds` only
    when the server stops; slow answers after `seconds`. It hits requests of `method` whose path
    starts with `path`: `skip` of them pass, then `times` are hit (None: all of them).
    """

    kind: FaultKind
    times: int | None = 1
    skip: int = 0
    seconds: float = 0
    path: str = "/v1/billing/meter_events"
    method: str = "POST"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"fault {self.kind!r}: one of {', '.join(get_args(FaultKind))}")


class Faults:
    """The faults that wait for their requests, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Put a fault behind the others."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """The faults still to come."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request gets, if any."""
        with self._lock:
            for fault in self._waiting:
                if fault.method != method or not path.startswith(fault.path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault
        return None
