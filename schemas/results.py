"""What a task or a workflow ends with."""

from datetime import datetime
from typing import Literal

import msgspec

from schemas.tasks import TaskCompletion, TaskFailure
from schemas.workflows import StepState


class StepLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one step ended, in a workflow's result."""

    step: str
    kind: str
    """The task type, `workflow`, `decision` or `wait`."""
    state: StepState
    task_id: str | None = None
    """Of a task or a sub-workflow; a fan-out has none."""
    clone: str = ""
    code: str = ""
    message: str = ""
    """What a person reads of it."""
    items: int | None = None
    """Elements of the fan-out."""
    items_failed: int = 0
    compensated: Literal["done", "failed"] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class WorkflowCompletion(TaskCompletion, frozen=True, kw_only=True, tag=True):
    """A workflow's result: it was done. Its `task_type` is `workflow`."""

    workflow: str
    version: int
    steps: tuple[StepLine, ...]


class WorkflowFailure(TaskFailure, frozen=True, kw_only=True, tag=True):
    """A workflow's result: it ended without being done. One that never began has a TaskFailure as its result."""

    workflow: str
    version: int
    steps: tuple[StepLine, ...]


TaskResult = TaskCompletion | TaskFailure | WorkflowCompletion | WorkflowFailure
