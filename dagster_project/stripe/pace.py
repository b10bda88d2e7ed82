"""Time for the push: its clock, its rate and its patience."""

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ingest.settings import clock_is_set

Sleep = Callable[[float], None]


class Clock:
    """The given moment, moving on as real time does unless METERHOUSE_NOW holds it still."""

    def __init__(self, now: datetime) -> None:
        self._start = now
        self._still = clock_is_set()
        self._started = time.monotonic()

    def now(self) -> datetime:
        """The moment that it is."""
        if self._still:
            return self._start
        return self._start + timedelta(seconds=time.monotonic() - self._started)


class TokenBucket:
    """At most `per_second` calls a second on average, with bursts of one second's worth."""

    def __init__(self, per_second: int, sleep: Sleep) -> None:
        self._per_second = per_second
        self._sleep = sleep
        self._tokens = 1.0 * per_second
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until one more call is allowed."""
        with self._lock:
            moment = time.monotonic()
            self._tokens = min(
                1.0 * self._per_second,
                self._tokens + (moment - self._filled) * self._per_second,
            )
            self._filled = moment
            self._tokens -= 1
            wait = max(0.0, -self._tokens / self._per_second)
        if wait:
            self._sleep(wait)


def backoff_seconds(attempt: int, retry_after: int | None) -> float:
    """How long to wait after the n-th failed attempt (from 1): doubling, capped, with jitter."""
    ceiling = min(8.0, 0.5 * (1 << min(attempt - 1, 10)))
    # Jitter keeps clients that failed together from coming back together.
    jittered = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret about it
    return max(jittered, min(60.0, 1.0 * (retry_after or 0)))
