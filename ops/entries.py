"""One entry of the ledger as it is shown: what it is and which task it is about, whoever wrote it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bus.delivery import from_ledger
from bus.intake import read
from bus.jetstream import StoredMessage
from bus.signing import SIGNATURE, SIGNER
from bus.subjects import WORKFLOW_TYPE, Subjects
from clones.omega.once import is_new_task, is_wake_up
from schemas import JSON, SchemaError, decode

UNREADABLE = "unreadable"
CHECKPOINT = "Checkpoint"
"""The kind of what a notary has signed: a note in text, no object."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored message. The ledger takes what its publishers send, so nothing of `body` is certain."""

    sequence: int | None
    """In the ledger; None for a result whose copy has yet to arrive there."""
    stored_at: datetime
    subject: str
    family: str
    """The subject's second token: task, workflow, handover, event, result, escalation, command, history or checkpoint. A new task that was
    stored for one clone alone counts as `task`; a `handover` is one that was there before. A workflow's start that was stored
    anew, for an Omega to go on with the run, is a `wake-up`."""
    kind: str
    """The message's type, such as TaskStarted; `unreadable` where the body says none."""
    task_type: str | None
    task_id: str | None
    body: Any
    """The decoded message, of a history `without_secret`; None where it cannot be decoded."""
    data: bytes
    """The message as it is stored."""
    content_type: str = JSON
    signer: str | None = None
    signature: str | None = None
    """The public nkey that a result says it is signed with, and the signature (`bus.signing`)."""

    @property
    def fields(self) -> dict[str, Any]:
        """The message's fields; empty where it is no object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def parent_id(self) -> str | None:
        """The workflow or task that asked for this one."""
        return text(self.fields.get("parent_id"))


def text(value: Any) -> str | None:
    """Return `value` where it is a string."""
    return value if isinstance(value, str) else None


def without_secret(entry: Any) -> Any:
    """Return an entry of a run's history, as plain values, without what the ids of the run's steps are made with.

    What is printed is sent on: whoever has it could store a task of his own under the id of a step that has not begun.
    """
    match entry:
        case {"events": [*events]}:
            return {**entry, "events": [_without_secret(event) for event in events]}
    return entry


def _without_secret(event: Any) -> Any:
    return {name: value for name, value in event.items() if name != "secret"} if isinstance(event, dict) else event


def read_entry(subjects: Subjects, message: StoredMessage, *, in_ledger: bool = True) -> Entry:
    """Return a stored message as an entry; it need not be well-formed."""
    _, family, *rest = [*message.subject.split("."), ""]
    delivery = from_ledger(message)
    try:
        body: Any = decode(Any, message.data, delivery.content_type)
    except SchemaError:
        body = None
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    kind = text(fields.get("type")) or UNREADABLE
    task_type, task_id = text(fields.get("task_type")), text(fields.get("task_id"))
    match family:
        case "history":
            task_type, task_id = WORKFLOW_TYPE, rest[0]
            body = without_secret(body)
        case "task" | "workflow":
            task_type = rest[0] if family == "task" else WORKFLOW_TYPE
            task_id = read(subjects, task_type, delivery).id
            kind = "TaskAssignment" if family == "task" else "WorkflowStart"
            family = "wake-up" if is_wake_up(message) else family
        case "handover":
            task_type, task_id = rest[0], read(subjects, rest[0], delivery).id
            kind = "TaskAssignment"
            family = "task" if is_new_task(message) else family
        case "event" | "result":
            task_type, task_id = rest[0], rest[1]
        case "checkpoint":
            kind = CHECKPOINT
        case "command" if kind == "Decision":
            task_type, task_id = WORKFLOW_TYPE, text(fields.get("workflow_id"))
    return Entry(
        sequence=message.sequence if in_ledger else None,
        stored_at=message.stored_at,
        subject=message.subject,
        family=family,
        kind=kind,
        task_type=task_type,
        task_id=task_id,
        body=body,
        data=message.data,
        content_type=delivery.content_type,
        signer=message.headers.get(SIGNER),
        signature=message.headers.get(SIGNATURE),
    )
