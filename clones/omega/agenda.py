"""When which task has to be looked at again: the deadlines of all that has not ended. Pure; time is Unix time in seconds."""

import heapq
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from bus.deadlines import to_start_s
from bus.unfinished import Source
from schemas import Route, TaskAssignment

BEHIND_S = 1.0
"""How much later than a worker Omega ends a task: who holds it comes first. A worker tells that an attempt has begun when it
has run for 100 ms, so by then that is known too."""
PRUNE_FROM = 1000


class Due(NamedTuple):
    """An assignment that is to be looked at."""

    at: float
    sequence: int
    """The assignment's, in the ledger."""
    attempt: int
    """Whose start-to-close limit it is; 0: it is the task's schedule-to-start or schedule-to-close limit."""
    source: Source
    limit_s: float = 0.0
    """How long the attempt was to run."""
    since: float = 0.0
    """When the attempt's limit passed."""
    missed: int = 0
    """How often in a row its instance was not there."""


def schedule_due(
    assignment: TaskAssignment, stored_at: datetime, route: Route | None, *, begun: bool = False
) -> float | None:
    """Return when the task's next schedule limit is to be enforced, or None where it has none."""
    limits = [assignment.schedule_to_close_s]
    if not begun:
        limits.append(to_start_s(assignment, None if route is None else route.schedule_to_start_s))
    known = [limit_s for limit_s in limits if limit_s is not None]
    return stored_at.timestamp() + min(known) + BEHIND_S if known else None


def attempt_limit_s(assignment: TaskAssignment, route: Route | None) -> float | None:
    """Return how long an attempt may run, or None where neither the task nor a route says so."""
    if assignment.timeout_s is not None:
        return assignment.timeout_s
    return None if route is None else route.timeout_s


def is_last(assignment: TaskAssignment, route: Route | None, attempt: int, forgiven: int) -> bool:
    """Tell whether the task fails with `attempt`. One that is parked then is left to the worker that gets it next."""
    if route is None or route.when_exhausted != "fail":
        return False
    retries = route.retries if assignment.retries is None else assignment.retries
    return attempt > forgiven + retries


class Agenda:
    """What is due, soonest first."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._prune_at = PRUNE_FROM

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, dues: Iterable[Due]) -> None:
        """Take in what is to be looked at."""
        for due in dues:
            heapq.heappush(self._heap, due)

    def take(self, now: float, most: int) -> list[Due]:
        """Remove and return up to `most` that are due by `now`."""
        taken: list[Due] = []
        while self._heap and self._heap[0].at <= now and len(taken) < most:
            taken.append(heapq.heappop(self._heap))
        return taken

    def drop(self, consumers: Container[str]) -> None:
        """Forget what these consumers bring: it is about to be read again."""
        self._heap = [due for due in self._heap if due.source.consumer not in consumers]
        heapq.heapify(self._heap)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()

    def prune(self, first_open: Mapping[str, int]) -> None:
        """Forget what is acknowledged for certain, where the agenda has grown.

        `first_open` holds the first sequence of each consumer that may not be. So the agenda holds no more than what has
        not ended or ended above such a floor, and as much again.
        """
        if len(self._heap) >= self._prune_at:
            self._heap = [due for due in self._heap if due.sequence >= first_open.get(due.source.consumer, 0)]
            heapq.heapify(self._heap)
            self._prune_at = max(PRUNE_FROM, 2 * len(self._heap))
