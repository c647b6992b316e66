"""From a delivered message to a request that can be served, or to the refusal that its publisher gets. Pure."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from bus.delivery import Delivery
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.task import printable
from schemas import SEQUENCE_PREFIX, SchemaError, TaskAssignment, WorkflowStart, decode, is_task_id, sequence_id

MAX_BODY_BYTES = 1024 * 1024
"""The largest TaskAssignment; larger inputs are uploaded and named."""

_INBOX = re.compile(r"_INBOX\.[!-)+-=?-~]{1,240}\Z")
"""The only subjects that a worker publishes a copy of a result to: its rights must not fill others. No wildcards."""


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed task or workflow start."""

    id: str
    task_type: str
    assignment: TaskAssignment


@dataclass(frozen=True, slots=True)
class Refusal:
    """A body that is no task: the id that its failure is stored under, and what is wrong with it."""

    id: str
    task_type: str
    message: str
    reply_to: str | None = None


class _Peek(msgspec.Struct, frozen=True):
    """What can be told of a body that is otherwise wrong."""

    id: Any = None
    reply_to: Any = None


def read(subjects: Subjects, task_type: str, delivery: Delivery) -> Request | Refusal:
    """Return the request in `delivery`, or why it is none."""
    own_id = sequence_id(delivery.sequence)
    size = len(delivery.data)
    if size > MAX_BODY_BYTES:
        return Refusal(
            own_id,
            task_type,
            f"the body has {size:,} bytes; a task may have {MAX_BODY_BYTES:,}. "
            "Upload large input (sanctuary submit --upload) and name it as the target",
        )
    content_type = delivery.content_type
    try:
        assignment = _decode(subjects, task_type, delivery, content_type)
    except SchemaError as error:
        known_id, reply_to = _peek(delivery.data, content_type)
        return Refusal(known_id or own_id, task_type, printable(error.message), reply_to)
    problem = None
    if assignment.id is not None and assignment.id.startswith(SEQUENCE_PREFIX):
        problem = f"ids that begin with {SEQUENCE_PREFIX!r} belong to the network; leave `id` out or choose another - at `$.id`"
    elif assignment.reply_to is not None and not is_inbox(assignment.reply_to):
        problem = "only an inbox (_INBOX.…, no wildcards) can be replied to - at `$.reply_to`"
    if problem:
        reply_to = assignment.reply_to if is_inbox(assignment.reply_to or "") else None
        chosen = None if (assignment.id or "").startswith(SEQUENCE_PREFIX) else assignment.id
        return Refusal(chosen or own_id, task_type, problem, reply_to)
    return Request(assignment.id or own_id, task_type, assignment)


def _decode(subjects: Subjects, task_type: str, delivery: Delivery, content_type: str) -> TaskAssignment:
    if task_type != WORKFLOW_TYPE or not delivery.subject.startswith(f"{subjects.realm}.workflow."):
        assignment: TaskAssignment = decode(TaskAssignment, delivery.data, content_type)
        return assignment
    start: WorkflowStart = decode(WorkflowStart, delivery.data, content_type)
    return TaskAssignment(
        params=start.input,
        id=start.id,
        reply_to=start.reply_to,
        timeout_s=start.timeout_s,
        labels=start.labels,
        traceparent=start.traceparent,
    )


def is_inbox(subject: str) -> bool:
    """Tell whether a worker may publish a copy of a result there."""
    return _INBOX.match(subject) is not None and ".." not in subject and not subject.endswith(".")


def _peek(data: bytes, content_type: str) -> tuple[str | None, str | None]:
    """Return the id and the inbox of a body that is wrong elsewhere, so that its failure reaches whoever waits for it."""
    try:
        peek: _Peek = decode(_Peek, data, content_type)
    except SchemaError:
        return None, None
    known = isinstance(peek.id, str) and is_task_id(peek.id) and not peek.id.startswith(SEQUENCE_PREFIX)
    reachable = isinstance(peek.reply_to, str) and is_inbox(peek.reply_to)
    return (peek.id if known else None), (peek.reply_to if reachable else None)
