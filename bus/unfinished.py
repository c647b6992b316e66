"""The tasks of a type that have not ended, as far as its consumers know: those that nobody took, and those not acknowledged."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from bus.consumers import consumer_state
from bus.delivery import from_ledger
from bus.intake import Request, read
from bus.jetstream import StoredMessage
from bus.ledger import entries
from bus.network import Network
from bus.subjects import PRIORITIES, WORKFLOW_TYPE, Subjects


class Source(NamedTuple):
    """A durable consumer and the subject that its tasks come from."""

    consumer: str
    subject: str
    task_type: str


class Unfinished(msgspec.Struct, frozen=True):
    """An assignment that is pending or unacknowledged."""

    request: Request
    sequence: int
    """In the ledger."""
    subject: str
    consumer: str
    """The durable consumer that brings it to workers."""
    stored_at: datetime
    content_type: str
    """How its body is encoded, and how its publisher wants the answer."""


def task_sources(subjects: Subjects, task_type: str, clones: Iterable[str] = ()) -> tuple[Source, ...]:
    """Return where a type's tasks come from: its four subjects, and what is handed over to each of `clones`."""
    return (
        *(
            Source(subjects.consumer(task_type, priority), subjects.task(task_type, priority), task_type)
            for priority in (None, *PRIORITIES)
        ),
        *(
            Source(subjects.handover_consumer(task_type, clone), subjects.handover(task_type, clone), task_type)
            for clone in clones
        ),
    )


def workflow_sources(subjects: Subjects, names: Iterable[str]) -> tuple[Source, ...]:
    """Return where the starts of the workflows `names` come from."""
    return tuple(Source(subjects.workflow_consumer(name), subjects.workflow(name), WORKFLOW_TYPE) for name in names)


def source_of(subjects: Subjects, consumer: str, subject: str) -> Source | None:
    """Return the source that `consumer` is, given its subject, or None where it is none that brings tasks to clones."""
    match subject.split("."):
        case [subjects.realm, "task", task_type, *priority]:
            named = {subjects.consumer(task_type, each): subjects.task(task_type, each) for each in (None, *PRIORITIES)}
            known = named.get(consumer) == subject and len(priority) <= 1
        case [subjects.realm, "handover", task_type, clone]:
            known = consumer == subjects.handover_consumer(task_type, clone)
        case _:
            return None
    return Source(consumer, subject, task_type) if known else None


async def unfinished(network: Network, task_type: str, clones: Iterable[str] = ()) -> AsyncIterator[Unfinished]:
    """Yield every assignment of a type that is pending or unacknowledged, consumer by consumer, each oldest first.

    What a consumer has acknowledged beyond its floor (the first that it has not) is yielded as well: look for a result
    before anything is done about a task. Bodies that are no task are left out, and so is a consumer that does not exist.
    Reads in batches, so that any backlog takes bounded memory.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the ledger could not be read to its end.
    """
    for source in task_sources(network.subjects, task_type, clones):
        async for found in unfinished_of(network, source):
            yield found


async def unfinished_workflows(network: Network, names: Iterable[str]) -> AsyncIterator[Unfinished]:
    """As `unfinished`, of the workflows `names`."""
    for source in workflow_sources(network.subjects, names):
        async for found in unfinished_of(network, source):
            yield found


async def unfinished_of(network: Network, source: Source) -> AsyncIterator[Unfinished]:
    """As `unfinished`, of one consumer."""
    state = await consumer_state(network, source.consumer)
    if state is None or state.is_idle:
        return
    async for message in entries(network, source.subject, start=state.first_open):
        found = as_unfinished(network.subjects, source, message)
        if found is not None:
            yield found


def as_unfinished(subjects: Subjects, source: Source, message: StoredMessage) -> Unfinished | None:
    """Return the assignment in a ledger entry of `source`, or None where its body is no task."""
    delivery = from_ledger(message)
    request = read(subjects, source.task_type, delivery)
    if not isinstance(request, Request):
        return None
    return Unfinished(
        request, message.sequence, message.subject, source.consumer, message.stored_at, delivery.content_type
    )
