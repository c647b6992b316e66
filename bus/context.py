"""What is known of one attempt of one task."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bus.identity import Identity
from bus.intake import Request
from bus.lease import Lease
from bus.task import Service
from schemas import TaskEvent


@dataclass(frozen=True, slots=True)
class TaskContext:
    """One attempt, before, while and after it runs."""

    service: Service
    lease: Lease
    request: Request
    number: int
    """The attempt's."""
    forgiven: int
    """How many attempts before it do not count against the retries."""
    started_at: datetime
    begun: bool = False
    given_up: int = 0
    """Both as in `bus.task.Task`."""

    def preceding(self) -> "TaskContext":
        """Return the attempt before this one, of which nothing came."""
        return replace(self, number=self.number - 1)

    def event(self, kind: Callable[..., TaskEvent], identity: Identity, **fields: object) -> TaskEvent:
        """Return an event of this attempt that happens now."""
        return kind(
            task_id=self.request.id,
            task_type=self.request.task_type,
            clone=identity.clone,
            instance=identity.instance,
            attempt=self.number,
            at=datetime.now(UTC),
            sequence=self.lease.delivery.sequence,
            forgiven=self.forgiven,
            **fields,
        )
