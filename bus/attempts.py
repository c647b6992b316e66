"""Which attempt this is, and what follows a failed one: pure decisions of the worker, the only retry authority.

The server's delivery count is no authority: it falls back to 1 when the server dies before it has flushed its consumer
state, and it rises without any execution when a worker hands a task back. The task's own events are.
"""

import random
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from schemas import (
    RETRYABLE,
    Backoff,
    TaskEvent,
    TaskParked,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    WorkflowWaiting,
)

MAX_DELIVERIES = 1000
"""A task delivered this often without a single event kills its workers before they can say so; it is not run again."""


class Run(NamedTuple):
    """The task is to be run."""

    attempt: int
    """1 for the first; the last event's number and one more, unless that attempt was handed back unfinished."""
    forgiven: int = 0
    """How many attempts before this one do not count against the retries."""
    after_death: bool = False
    """The attempt before ended without a word: its worker died, or lost the task."""
    cut_off: bool = False
    """This attempt was begun before, and its worker lost it because the server was away: it is made anew."""


class NotNow(Enum):
    """Why a delivered task is not to be run."""

    SUPERSEDED = auto()
    """A later assignment under the same id is in charge."""
    EARLY = auto()
    """An earlier assignment under the same id is in charge still."""
    PARKED = auto()
    """It waits for a decision."""


def backoff_delay_s(backoff: Backoff, attempt: int) -> float:
    """Return the delay after the failed attempt number `attempt`, in seconds."""
    try:
        full = min(backoff.maximum_s, backoff.initial_s * backoff.coefficient ** (attempt - 1))
    except OverflowError:
        full = backoff.maximum_s
    return full * (1 - backoff.jitter * random.random())  # noqa: S311  spreads load; nothing secret depends on it


def turn(
    sequence: int,
    last_event: TaskEvent | None,
    *,
    reconnected_at: datetime | None = None,
    fenced: bool = False,
) -> Run | NotNow:
    """Return what the delivery of the assignment number `sequence` of the ledger calls for; `last_event` is the task's newest.

    `fenced` as of `bus.task.Service`: then whoever comes runs.

    `reconnected_at` is when this worker's own connection was last replaced. An attempt that ran then may have lost its lease
    for the server's sake, and is not counted; each reconnect forgives one at most, as what runs after it begins later.
    """
    if last_event is None:
        return Run(1)
    in_charge = last_event.sequence
    if in_charge is not None and in_charge != sequence and not fenced:
        return NotNow.SUPERSEDED if in_charge > sequence else NotNow.EARLY
    match last_event:
        case TaskParked():
            return NotNow.PARKED
        case TaskReassigned() | WorkflowWaiting():
            # Of a run that has come to a rest, what was begun before does not count any more.
            came_to_rest = isinstance(last_event, WorkflowWaiting)
            return Run(last_event.attempt, last_event.attempt - 1 if came_to_rest else last_event.forgiven)
    after_death = not isinstance(last_event, TaskRetrying | TaskResumed)
    if after_death and reconnected_at is not None and last_event.at < reconnected_at:
        return Run(last_event.attempt, last_event.forgiven, cut_off=True)
    return Run(last_event.attempt + 1, last_event.forgiven, after_death)


def is_retryable(code: str) -> bool:
    """Tell whether the same task may succeed after a failure with this code; unknown codes count as not retryable."""
    return code in RETRYABLE
