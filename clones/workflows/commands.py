"""What a run wants done. Commands follow from the state, and their ids from their place in the run."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from schemas import ArtifactRef, Priority


class SubmitTask(msgspec.Struct, frozen=True, kw_only=True):
    """Have a step's task done, or the compensation of one."""

    step: str
    index: int | None = None
    """Of the element, in a fan-out."""
    compensation: bool = False
    task_type: str
    task_id: str
    params: dict[str, Any]
    priority: Priority | None = None
    timeout_s: float | None = None
    schedule_to_close_s: float | None = None
    retries: int | None = None
    cache: Literal["use", "refresh"] | None = None
    since: datetime
    """When the entry was written that asks for it: it was not stored before."""


class StartWorkflow(msgspec.Struct, frozen=True, kw_only=True):
    """Begin a step's sub-workflow."""

    step: str
    index: int | None = None
    workflow: str
    workflow_id: str
    input: dict[str, Any]
    timeout_s: float | None = None
    priority: Priority | None = None
    since: datetime
    """As in SubmitTask."""


class CancelTask(msgspec.Struct, frozen=True, kw_only=True):
    """End a step's task. Its result is waited for all the same; where it was never stored, a StepInvalid with the code `cancelled`."""

    step: str
    index: int | None = None
    task_type: str
    task_id: str
    reason: str
    since: datetime
    """As in SubmitTask."""


class CancelWorkflow(msgspec.Struct, frozen=True, kw_only=True):
    """Have a step's sub-workflow end. As with CancelTask."""

    step: str
    index: int | None = None
    workflow_id: str
    reason: str
    since: datetime
    """As in SubmitTask."""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """The run has ended: store its result."""

    completed: bool
    output: Any = None
    summary: str = ""
    artifacts: tuple[ArtifactRef, ...] = ()
    code: str = ""
    """Of a failure; one of `schemas.ErrorCode`."""
    message: str = ""
    details: dict[str, Any] = {}


Command = SubmitTask | StartWorkflow | CancelTask | CancelWorkflow | Finish
