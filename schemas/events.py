"""What happens to a task between its beginning and its end: `sanctuary.event.<type>.<task_id>`."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from schemas.base import Told


class TaskEvent(Told, frozen=True, kw_only=True):
    """What all events of a task tell."""

    task_id: str
    task_type: str
    clone: str
    instance: str
    attempt: int
    """1 for the first execution; the next attempt's number follows from the last event's."""
    at: datetime
    sequence: int | None = None
    """The ledger sequence of the assignment that is in charge of the task: another one under the same id must not run."""
    forgiven: int = 0
    """How many attempts a recovery has forgiven: they do not count against the retries."""


class TaskStarted(TaskEvent, frozen=True, kw_only=True):
    """An attempt runs. Stored before the handler starts on a redelivery, otherwise once it has run for 100 ms."""


class TaskProgress(TaskEvent, frozen=True, kw_only=True):
    """How far an attempt has come."""

    fraction: Annotated[float, Meta(ge=0, le=1)]
    message: str = ""


class TaskRetrying(TaskEvent, frozen=True, kw_only=True):
    """An attempt failed and another one follows."""

    code: str
    message: str
    delay_s: float
    """How long the task waits before it is delivered again."""


class TaskReassigned(TaskEvent, frozen=True, kw_only=True):
    """An attempt was handed back unfinished (a draining instance); it is run again under the same number."""

    reason: str


class TaskParked(TaskEvent, frozen=True, kw_only=True):
    """The task's attempts have run out and it waits for a decision: Omega's, by the route, or a person's."""

    code: str
    message: str


class TaskResumed(TaskEvent, frozen=True, kw_only=True):
    """A parked task goes on with its next attempt; those before are forgiven. `sequence` names who is in charge now."""

    command: int
    """The ledger sequence of the RecoveryAction."""
    to: str | None = None
    """The clone that it was handed to; None: whoever is free, as before."""
    by: str = ""
    reason: str = ""


class TaskAsked(TaskEvent, frozen=True, kw_only=True):
    """The task asked Omega for another clone's work, which is cancelled when this task ends before it."""

    child_type: str
    child_key: str = ""
    """What tells it apart from all else that this task asks for; its id follows from it and a secret of Omega's."""
    child_id: str = ""
    """As Omegas of earlier versions told it, and then it has no key: nobody may know an id before what it names is stored."""


class WorkflowWaiting(TaskEvent, frozen=True, kw_only=True):
    """A run has nothing to do but wait, and nobody holds it meanwhile; what it waits for wakes it with a new activation."""

    message: str = ""
    """For what, in words."""
    until: datetime | None = None
    """Its next timer; None: it has none."""


AnyTaskEvent = (
    TaskStarted | TaskProgress | TaskRetrying | TaskReassigned | TaskParked | TaskResumed | TaskAsked | WorkflowWaiting
)


class InstanceChanged(Told, frozen=True, kw_only=True):
    """An instance came, went, or is missed: `sanctuary.event.instance.<instance>`."""

    clone: str
    instance: str
    state: Literal["up", "suspect", "dead", "draining"]
    """By its heartbeats: what they say, or that they are missed (`suspect`, then `dead`)."""
    at: datetime
    told_by: str
    """The Omega that heard it, or missed it."""
