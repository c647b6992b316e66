"""Circuit breakers: an instance that fails everything takes no more tasks of that type for a while, and comes back carefully."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from enum import Enum, auto

from bus.observer import Observer
from schemas import ErrorCode, TaskCompletion, TaskResult

ATTEMPTS = 5
"""So many attempts in a row that failed through this instance, none completed between them, open a breaker..."""
TASKS = 3
"""...if they are of so many tasks: a single task that fails each time blames itself."""
COOL_DOWN_S = 10.0
MAX_COOL_DOWN_S = 300.0
_TIMER_GRAIN_S = 0.001
"""How much later than the end of a cool-down its timer goes off, so that it never finds it still to come."""

BLAMING = frozenset(
    {ErrorCode.HANDLER_FAILED, ErrorCode.ENGINE_CRASHED, ErrorCode.TOOL_MISSING, ErrorCode.MEMORY_EXCEEDED}
)
"""Codes that may be the instance's fault; all others are the task's, or somebody's decision."""

log = logging.getLogger(__name__)


class State(Enum):
    """What a breaker lets through."""

    CLOSED = auto()
    """Everything."""
    OPEN = auto()
    """Nothing."""
    HALF_OPEN = auto()
    """One task at a time, until one completes."""


class Breaker:
    """Decides for one task type of one instance. Pure; `now` is any clock that runs evenly, in seconds."""

    def __init__(self) -> None:
        self._attempts = 0
        self._tasks: set[str] = set()
        self._cool_down_s = 0.0
        """How long the last opening lasts; 0 where it is closed."""
        self._until = 0.0
        self.code = ""
        """What the last attempt failed with; empty where none has since a task was done."""

    def state(self, now: float) -> State:
        """Return what it lets through."""
        if not self._cool_down_s:
            return State.CLOSED
        return State.OPEN if now < self._until else State.HALF_OPEN

    def rest_s(self, now: float) -> float:
        """Return for how long it stays open."""
        return max(0.0, self._until - now)

    def failed(self, task_id: str, code: str, now: float) -> None:
        """Count an attempt that failed."""
        state = self.state(now)
        if code not in BLAMING or state is State.OPEN:
            return
        self.code = code
        if state is State.HALF_OPEN:
            self._open(min(2 * self._cool_down_s, MAX_COOL_DOWN_S), now)
            return
        self._attempts += 1
        if len(self._tasks) < TASKS:
            self._tasks.add(task_id)
        if self._attempts >= ATTEMPTS and len(self._tasks) >= TASKS:
            self._open(COOL_DOWN_S, now)

    def completed(self, now: float) -> None:
        """Count a task that was done; while it is open, it is one that began before."""
        if self._attempts and self.state(now) is not State.OPEN:
            self._attempts = 0
            self._tasks.clear()
            self._cool_down_s = 0.0
            self.code = ""

    def _open(self, cool_down_s: float, now: float) -> None:
        self._cool_down_s = cool_down_s
        self._until = now + cool_down_s


class Breakers(Observer):
    """The breakers of one worker: hears how attempts end, and says when one of them changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when `state` is another for one of the types."""
        self._changed = changed
        self._breakers: dict[str, Breaker] = {}
        self._states: dict[str, State] = {}
        """Those that are not closed, as they were told to `changed`."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, task_types: Iterable[str]) -> None:
        """Keep a breaker for each of these, as it is where there is one, and for no others."""
        self._breakers = {task_type: self._breakers.get(task_type) or Breaker() for task_type in task_types}
        for task_type in self._states.keys() - self._breakers.keys():
            del self._states[task_type]
            self._stop_timer(task_type)

    def state(self, task_type: str) -> State:
        """Return what the type's breaker lets through."""
        return self._states.get(task_type, State.CLOSED)

    def problems(self) -> tuple[str, ...]:
        """Return in words which breakers are not closed, and why."""
        now = time.monotonic()
        return tuple(self._problem(task_type, state, now) for task_type, state in self._states.items())

    def close(self) -> None:
        """Forget all; nothing changes any more."""
        self.watch(())

    def retrying(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        self._failed(task_type, task_id, code)

    def parked(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        self._failed(task_type, task_id, code)

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """As in Observer."""
        if not isinstance(result, TaskCompletion):
            self._failed(result.task_type, result.task_id, result.code)
        elif (breaker := self._breakers.get(result.task_type)) and breaker.code:
            breaker.completed(time.monotonic())
            self._look(result.task_type)

    def _failed(self, task_type: str, task_id: str, code: str) -> None:
        if breaker := self._breakers.get(task_type):
            breaker.failed(task_id, code, time.monotonic())
            self._look(task_type)

    def _look(self, task_type: str) -> None:
        breaker, now = self._breakers[task_type], time.monotonic()
        state = breaker.state(now)
        if state is self.state(task_type):
            return
        self._stop_timer(task_type)
        if state is State.CLOSED:
            del self._states[task_type]
            log.info("%s: a task is done, and all are taken again", task_type)
        else:
            self._states[task_type] = state
            log.warning("%s", self._problem(task_type, state, now))
        if state is State.OPEN:
            loop = asyncio.get_running_loop()
            self._timers[task_type] = loop.call_later(breaker.rest_s(now) + _TIMER_GRAIN_S, self._look, task_type)
        self._changed()

    def _stop_timer(self, task_type: str) -> None:
        if timer := self._timers.pop(task_type, None):
            timer.cancel()

    def _problem(self, task_type: str, state: State, now: float) -> str:
        breaker = self._breakers[task_type]
        if state is State.OPEN:
            return (
                f"{task_type}: one attempt after the other failed here ({breaker.code}); "
                f"no tasks of it are taken for {breaker.rest_s(now):.0f} s"
            )
        return f"{task_type}: attempts failed here ({breaker.code}); one task at a time is taken until one is done"
