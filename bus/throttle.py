"""Limits on how many tasks a worker takes of one kind, beside its slots. Pure but for the clock."""

import math
import time
from typing import Protocol


class Limit(Protocol):
    """Says whether one more task may be taken now."""

    def has_room(self) -> bool:
        """Tell whether one more may be taken."""
        ...

    def enter(self) -> None:
        """Count one that is taken."""
        ...

    def wait_s(self) -> float:
        """Return in how many seconds there is room by the passing of time alone; infinity where something must happen first."""
        ...


class Throttle:
    """How many tasks of a type run at once, and how many start a second (a token bucket that holds a second's worth, at least one)."""

    def __init__(self, concurrency: int | None, rate_per_s: float | None, *, running: int = 0) -> None:
        """Begin with `running` tasks that run already, and a full bucket."""
        self._running = running
        self._tokens = math.inf
        self._filled_at = time.monotonic()
        self._concurrency: float = math.inf
        self._rate: float = math.inf
        self._burst: float = math.inf
        self.set(concurrency, rate_per_s)

    def set(self, concurrency: int | None, rate_per_s: float | None) -> None:
        """Put other limits into force; a bucket never holds more than its new size."""
        self._fill()
        self._concurrency = math.inf if concurrency is None else concurrency
        self._rate = math.inf if rate_per_s is None else rate_per_s
        self._burst = max(1.0, self._rate)
        self._tokens = math.inf if rate_per_s is None else min(self._tokens, self._burst)

    def has_room(self) -> bool:
        """As in Limit."""
        self._fill()
        return self._running < self._concurrency and self._tokens >= 1

    def enter(self) -> None:
        """As in Limit."""
        self._running += 1
        self._tokens -= 1

    def leave(self) -> None:
        """Count one that has ended."""
        self._running -= 1

    def wait_s(self) -> float:
        """As in Limit."""
        self._fill()
        if self._running >= self._concurrency:
            return math.inf
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate

    def _fill(self) -> None:
        now = time.monotonic()
        if self._tokens < self._burst:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
