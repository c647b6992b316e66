"""From a delivered message to a request that can be served, or to the refusal that its publisher gets. Pure."""

import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from bus.delivery import Delivery
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, WORKFLOW_TYPE, Subjects
from bus.task import printable
from schemas import (
    SEQUENCE_PREFIX,
    Command,
    ErrorEscalation,
    SchemaError,
    TaskAssignment,
    WorkflowStart,
    decode,
    is_task_id,
    sequence_id,
    to_plain,
)

MAX_BODY_BYTES = 1024 * 1024
"""The largest TaskAssignment; larger inputs are uploaded and named."""

WAKE_UP = "wake-up"
"""What the mark of a workflow's start begins with, before a dot, that was stored anew for an Omega to go on with the run."""

_INBOX = re.compile(r"_INBOX\.[!-)+-=?-~]{1,240}\Z")
"""The only subjects that a worker publishes a copy of a result to: its rights must not fill others. No wildcards."""


_WITHIN = re.compile(r" - at `\$\.(?!type`)|missing required field `(?!type`)|unknown field")
"""What is said of a body whose type is known."""


class Request(msgspec.Struct, frozen=True):
    """A well-formed task, workflow start, command or escalation.

    Of the last two, `params` of the assignment is the whole message as plain values; they have no id but their number.
    """

    id: str
    task_type: str
    assignment: TaskAssignment
    start: WorkflowStart | None = None
    """The whole message, where it is a workflow's start."""

    @property
    def reply_to(self) -> str | None:
        """The inbox that also gets the result, if it names one; a Refusal has this too."""
        return self.assignment.reply_to


class Refusal(msgspec.Struct, frozen=True):
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
    family = delivery.subject[len(subjects.realm) + 1 :].partition(".")[0]
    if (task_type, family) in _PLAIN:
        return _read_plain(_PLAIN[task_type, family], own_id, task_type, delivery)
    kind = WorkflowStart if (task_type, family) == (WORKFLOW_TYPE, "workflow") else TaskAssignment
    try:
        asked: TaskAssignment | WorkflowStart = decode(kind, delivery.data, content_type)
    except SchemaError as error:
        known_id, reply_to = _peek(delivery.data, content_type)
        return Refusal(known_id or own_id, task_type, printable(describe_body(kind, error.message)), reply_to)
    start = asked if isinstance(asked, WorkflowStart) else None
    assignment = _as_assignment(asked) if isinstance(asked, WorkflowStart) else asked
    # Omega alone hands tasks over, and wakes runs, under the ids that they have.
    is_known = family == "handover" or (start is not None and is_wake_up(delivery.headers))
    problem = misuse(assignment, own_id=assignment.id if is_known else None)
    if problem:
        reply_to = assignment.reply_to if is_inbox(assignment.reply_to or "") else None
        chosen = None if (assignment.id or "").startswith(SEQUENCE_PREFIX) else assignment.id
        return Refusal(chosen or own_id, task_type, problem, reply_to)
    return Request(assignment.id or own_id, task_type, assignment, start)


def is_wake_up(headers: Mapping[str, str]) -> bool:
    """Tell by its headers whether a workflow's start begins no run, but has one gone on with that waited.

    Whoever may start workflows may write this: whether Omega did, the run tells (`clones.omega.workflows.wake_ups.may_go_on`).
    """
    return headers.get("Nats-Msg-Id", "").startswith(f"{WAKE_UP}.")


_PLAIN: dict[tuple[str, str], Any] = {
    (COMMAND_TYPE, "command"): Command,
    (ESCALATION_TYPE, "escalation"): ErrorEscalation,
}
"""What Omega works on beside workflows, by its type token and the family of its subject."""


def _read_plain(kind: Any, own_id: str, task_type: str, delivery: Delivery) -> Request | Refusal:
    try:
        params: dict[str, Any] = to_plain(decode(kind, delivery.data, delivery.content_type))
    except SchemaError as error:
        words = describe_command(error.message) if kind is Command else error.message
        return Refusal(own_id, task_type, printable(words))
    return Request(own_id, task_type, TaskAssignment(params=params))


def describe_command(problem: str) -> str:
    """Return in words why a body is no command; `problem` is what decoding it said."""
    if _WITHIN.search(problem):
        return problem
    kinds = ", ".join(kind.__name__ for kind in get_args(Command))
    return f"{problem}. A command is an object whose `type` is one of {kinds}"


def _as_assignment(start: WorkflowStart) -> TaskAssignment:
    """Return the start as workers take tasks. Its limit is the run's, which many may drive one after the other, and none here."""
    return TaskAssignment(
        params=start.input,
        id=start.id,
        reply_to=start.reply_to,
        labels=start.labels,
        parent_id=start.parent_id,
        retry_of=start.retry_of,
        traceparent=start.traceparent,
    )


def describe_body(kind: type[TaskAssignment | WorkflowStart], problem: str) -> str:
    """Return in words why a body is no `kind`; `problem` is what decoding it said."""
    fields = kind.__struct_fields__
    if "unknown field" in problem:
        return f"{problem}. A {kind.__name__} takes: {', '.join(fields)}"
    if problem.startswith("the body is not"):
        return f'{problem}. A {kind.__name__} is an object such as {{"{fields[0]}":{{"target":"."}}}}'
    return problem


def misuse(asked: TaskAssignment | WorkflowStart, *, own_id: str | None = None) -> str | None:
    """Return what a well-formed body asks for that nobody may have, or None; `own_id` is one that the network gave it."""
    if asked.id is not None and asked.id != own_id and asked.id.startswith(SEQUENCE_PREFIX):
        return f"ids that begin with {SEQUENCE_PREFIX!r} belong to the network; leave `id` out or choose another - at `$.id`"
    if asked.reply_to is not None and not is_inbox(asked.reply_to):
        return "only an inbox (_INBOX.…, no wildcards) can be replied to - at `$.reply_to`"
    return None


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
