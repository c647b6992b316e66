"""Which attempt this is, and what follows a failed one: pure decisions of the worker, the only retry authority.

The server's delivery count is no authority: it falls back to 1 when the server dies before it has flushed its consumer
state, and it rises without any execution when a worker hands a task back. The task's own events are.
"""

import random

from schemas import RETRYABLE, Backoff, TaskEvent, TaskReassigned

MAX_DELIVERIES = 100
"""A task delivered this often without a result kills its workers before they can say so; it is not run again."""


def backoff_delay_s(backoff: Backoff, attempt: int) -> float:
    """Return the delay after the failed attempt number `attempt`, in seconds."""
    try:
        full = min(backoff.maximum_s, backoff.initial_s * backoff.coefficient ** (attempt - 1))
    except OverflowError:
        full = backoff.maximum_s
    return full * (1 - backoff.jitter * random.random())  # noqa: S311  spreads load; nothing secret depends on it


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
