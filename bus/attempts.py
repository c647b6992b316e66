"""Which attempt this is, and what follows a failed one: pure decisions of the worker, the only retry authority.

The server's delivery count is no authority: it falls back to 1 when the server dies before it has flushed its consumer
state, and it rises without any execution when a worker hands a task back. The task's own events are.
"""

import random
from dataclasses import dataclass

from schemas import RETRYABLE, TaskEvent, TaskReassigned

MAX_DELIVERIES = 100
"""A task delivered this often without a result kills its workers before they can say so; it is not run again."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a task waits before its next attempt: `initial_s * coefficient ** (attempt - 1)`, at most `maximum_s`, with jitter.

    Jitter takes the delay to a random share between `1 - jitter` and 1 of it, so that tasks which failed together do not
    come back together.
    """

    initial_s: float = 1.0
    coefficient: float = 2.0
    maximum_s: float = 60.0
    jitter: float = 0.5

    def delay_s(self, attempt: int) -> float:
        """Return the delay after the failed attempt number `attempt`, in seconds."""
        full = min(self.maximum_s, self.initial_s * self.coefficient ** (attempt - 1))
        return full * (1 - self.jitter * random.random())  # noqa: S311  spreads load; nothing secret depends on it


def next_attempt(delivered: int, last_event: TaskEvent | None) -> int:
    """Return the number of the attempt that this delivery begins.

    `last_event` is the task's newest event, looked up where `delivered` is greater than 1. An attempt that was handed back
    unfinished keeps its number.
    """
    if delivered == 1 or last_event is None:
        return 1
    if isinstance(last_event, TaskReassigned):
        return last_event.attempt
    return last_event.attempt + 1


def is_retryable(code: str) -> bool:
    """Tell whether the same task may succeed after a failure with this code; unknown codes count as not retryable."""
    return code in RETRYABLE
