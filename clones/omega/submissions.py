"""Finding what was submitted under a task's id: by the number that its events name, among what has not ended, or in the ledger."""

from collections.abc import AsyncIterator, Container
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from bus.delivery import from_ledger
from bus.intake import Request, read
from bus.jetstream import StoredMessage
from bus.journal import event_of
from bus.ledger import entry, first_of, last_sequence, newest_first
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.unfinished import Unfinished, unfinished, unfinished_workflows
from schemas import SEQUENCE_PREFIX, TaskAssignment, TaskEvent

LEAST_S = 0.001
"""What is left of a limit that has passed: the schema takes no zero."""


class Submission(NamedTuple):
    """An assignment, or a workflow's start, as the ledger holds it."""

    request: Request
    sequence: int
    subject: str
    stored_at: datetime


async def find_open(network: Network, task_type: str, task_id: str, last_event: TaskEvent | None) -> Submission | None:
    """Return the assignment in charge of a task that may not have ended, or None where none under this id is known.

    Raises:
        SanctuaryError: the ledger could not be read to its end.
    """
    found = await _by_number(network, task_type, task_id, last_event)
    if found is not None or task_id.startswith(SEQUENCE_PREFIX):
        return found
    async for each in open_tasks(network, {task_type}):
        if each.request.id == task_id:
            return Submission(each.request, each.sequence, each.subject, each.stored_at)
    return None


async def find_ended(network: Network, task_type: str, task_id: str) -> Submission | None:
    """Return what was asked under this id at first, wherever in the ledger it stands; None where it is not there.

    What a task was handed over with has only the time that was left. Without an event that names its number the ledger is
    read backwards until an assignment is found. Raises as `find_open`.
    """
    first = await first_of(network, network.subjects.event(task_type, task_id))
    found = await _by_number(network, task_type, task_id, None if first is None else event_of(first))
    if found is not None or task_id.startswith(SEQUENCE_PREFIX):
        return found
    subjects = network.subjects
    bare = subjects.task(task_type)
    wanted = (bare, f"{bare}.*", subjects.handover(task_type, "*"))
    async for message in newest_first(network, wanted, before=await last_sequence(network) + 1):
        if (known := _submission(subjects, task_type, task_id, message)) is not None:
            return known
    return None


async def open_tasks(network: Network, task_types: Container[str]) -> AsyncIterator[Unfinished]:
    """Yield the assignments of these types that have not ended, workflows among them; as `bus.unfinished.unfinished`, which see."""
    async for each in unfinished(network, task_types):
        yield each
    if WORKFLOW_TYPE in task_types:
        async for each in unfinished_workflows(network):
            yield each


def stored_anew(request: Request, stored_at: datetime) -> TaskAssignment:
    """Return the assignment that was stored at `stored_at` as it is to be stored once more, under the same id.

    Its limits count from when it was stored first, and it has waited for its start already.
    """
    left_s = request.assignment.schedule_to_close_s
    if left_s is not None:
        left_s = max(LEAST_S, left_s - (datetime.now(UTC) - stored_at).total_seconds())
    return msgspec.structs.replace(
        request.assignment, id=request.id, schedule_to_start_s=None, schedule_to_close_s=left_s
    )


def consumer_of(subjects: Subjects, subject: str) -> str | None:
    """Return the durable consumer that brings what is stored on `subject` to workers; None where none does."""
    if (task := subjects.parse_task(subject)) is not None:
        return subjects.consumer(task.task_type, task.priority)
    match subject.split("."):
        case [subjects.realm, "handover", task_type, clone]:
            return subjects.handover_consumer(task_type, clone)
        case [subjects.realm, "workflow", _]:
            return subjects.workflows_consumer
    return None


async def _by_number(network: Network, task_type: str, task_id: str, last_event: TaskEvent | None) -> Submission | None:
    number: int | None = None if last_event is None else last_event.sequence
    digits = task_id.removeprefix(SEQUENCE_PREFIX)
    if number is None and digits != task_id and digits.isascii() and digits.isdecimal():
        number = int(digits)
    message = None if number is None else await entry(network, number)
    return None if message is None else _submission(network.subjects, task_type, task_id, message)


def _submission(subjects: Subjects, task_type: str, task_id: str, message: StoredMessage) -> Submission | None:
    tokens = message.subject.split(".")
    found_type = WORKFLOW_TYPE if tokens[1] == "workflow" else tokens[2]
    if tokens[1] not in ("task", "handover", "workflow") or found_type != task_type:
        return None
    request = read(subjects, task_type, from_ledger(message))
    if not isinstance(request, Request) or request.id != task_id:
        return None
    return Submission(request, message.sequence, message.subject, message.stored_at)
