"""What happens to a task between its beginning and its end: `sanctuary.event.<type>.<task_id>`."""

from datetime import datetime
from typing import Annotated

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
    """The task waits for a person."""

    code: str
    message: str


AnyTaskEvent = TaskStarted | TaskProgress | TaskRetrying | TaskReassigned | TaskParked
