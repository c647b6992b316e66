"""Small hooks through which metrics and status see a worker; each is called from the event loop and must not block."""

from schemas import TaskResult


class Observer:
    """Hears nothing; override what is of interest."""

    def delivered(self, task_type: str, *, redelivered: bool) -> None:
        """Hear that a task came in."""

    def started(self, task_type: str, waited_s: float) -> None:
        """Hear that a handler starts, `waited_s` seconds after the ledger stored its task."""

    def retrying(self, task_type: str, code: str) -> None:
        """Hear that an attempt failed and another will follow."""

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """Hear that this worker's result is the task's result."""

    def dropped(self, task_type: str) -> None:
        """Hear that another's result came first and this worker's was dropped."""

    def crashed(self, task_type: str, task_id: str | None, error: BaseException) -> None:
        """Hear that a handler, or the worker itself, raised what it should not."""
