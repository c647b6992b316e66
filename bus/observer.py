"""Small hooks through which metrics and status see a worker; each is called from the event loop and must not block."""

from dataclasses import dataclass

from schemas import Severity, TaskResult


@dataclass(frozen=True, slots=True)
class Crash:
    """What a handler, or the worker itself, raised and should not have."""

    task_type: str
    task_id: str | None
    """None: the worker failed on it, and says nothing about the task."""
    error: BaseException
    severity: Severity = "high"
    """The route's."""
    reply_to: str | None = None
    """The inbox of whoever asked for the task, if it named one."""
    parks: bool = False
    """Whether the task is parked for it, which is escalated with the same words and traceback."""


class Observer:
    """Hears nothing; override what is of interest."""

    def delivered(self, task_type: str, *, redelivered: bool) -> None:
        """Hear that a task came in."""

    def started(self, task_type: str, waited_s: float) -> None:
        """Hear that a handler starts, `waited_s` seconds after the ledger stored its task."""

    def retrying(self, task_type: str, task_id: str, code: str) -> None:
        """Hear that an attempt failed and another will follow."""

    def parked(self, task_type: str, task_id: str, code: str) -> None:
        """Hear that the last attempt failed and the task waits for a decision."""

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """Hear that this worker's result is the task's result."""

    def dropped(self, task_type: str) -> None:
        """Hear that another's result came first and this worker's was dropped."""

    def crashed(self, crash: Crash) -> None:
        """Hear that a handler, or the worker itself, raised what it should not."""


class Observers(Observer):
    """Tells several observers what it hears."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def delivered(self, task_type: str, *, redelivered: bool) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.delivered(task_type, redelivered=redelivered)

    def started(self, task_type: str, waited_s: float) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.started(task_type, waited_s)

    def retrying(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.retrying(task_type, task_id, code)

    def parked(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.parked(task_type, task_id, code)

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.settled(result, since_stored_s=since_stored_s)

    def dropped(self, task_type: str) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.dropped(task_type)

    def crashed(self, crash: Crash) -> None:
        """As in Observer."""
        for observer in self._observers:
            observer.crashed(crash)
