"""What operators and Omega ask for: `sanctuary.command.<target>`, and workflow starts."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from schemas.base import Asked
from schemas.identifiers import TaskId, Token
from schemas.routes import Person, Priority, RouteChange
from schemas.tasks import Labels, Seconds
from schemas.workflows import ScheduleChange, WorkflowPut

Comment = Annotated[str, Meta(max_length=4096)]


class TaskCancel(Asked, frozen=True, kw_only=True):
    """End this task now."""

    task_id: TaskId
    task_type: Token
    reason: Comment = ""
    by: Person = ""


class RecoveryAction(Asked, frozen=True, kw_only=True):
    """What a person or Omega decides about a task that did not end well."""

    task_id: TaskId
    task_type: Token
    action: Literal["retry", "reassign", "complete", "fail"]
    clone: Token | None = None
    """To whom, with `reassign`."""
    output: Any = None
    """The result, with `complete`."""
    reason: Comment = ""
    by: Person = ""


class Decision(Asked, frozen=True, kw_only=True):
    """A person's answer to a workflow that waits for one."""

    workflow_id: TaskId
    step: Token
    verdict: Literal["approve", "reject"]
    decided_by: Annotated[str, Meta(max_length=256)]
    comment: Comment = ""


class WorkflowStart(Asked, frozen=True, kw_only=True):
    """Begin the workflow that the subject names: `sanctuary.workflow.<name>`."""

    input: dict[str, Any] = {}
    id: TaskId | None = None
    """As in TaskAssignment."""
    reply_to: Annotated[str, Meta(max_length=256)] | None = None
    """As in TaskAssignment."""
    timeout_s: Seconds | None = None
    """How long the run may take, from when it begins; absent: the definition's."""
    version: Annotated[int, Meta(ge=1)] | None = None
    """Of the definition; absent: the newest when the run begins."""
    priority: Priority | None = None
    """Of its steps that name none; absent: the routes'."""
    parent_id: TaskId | None = None
    """The workflow whose step this is."""
    retry_of: TaskId | None = None
    """The ended run that this one does again."""
    resume: bool = False
    """With `retry_of`: what that run had completed is kept, and it goes on where that one failed, with that one's input and version."""
    labels: Labels = {}
    traceparent: Annotated[str, Meta(max_length=128)] | None = None


Command = TaskCancel | RecoveryAction | Decision | RouteChange | WorkflowPut | ScheduleChange
