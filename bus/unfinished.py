"""The tasks of a type that have not ended, as far as its consumers know: those that nobody took, and those not acknowledged."""

from collections.abc import AsyncIterator, Container, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from bus.consumers import ConsumerState, consumer_state, consumer_states
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


def workflow_source(subjects: Subjects) -> Source:
    """Return where the starts of workflows come from."""
    return Source(subjects.workflows_consumer, subjects.workflow("*"), WORKFLOW_TYPE)


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


def handover_sources(subjects: Subjects, states: Mapping[str, ConsumerState]) -> dict[Source, str]:
    """Return the consumers that bring what was handed to one clone, each with that clone, whatever the routes say by now."""
    found: dict[Source, str] = {}
    for state in states.values():
        source = source_of(subjects, state.name, state.subject)
        if source is not None and subjects.parse_task(source.subject) is None:
            found[source] = source.subject.rpartition(".")[2]
    return found


async def unfinished(network: Network, task_types: Container[str]) -> AsyncIterator[Unfinished]:
    """Yield every assignment of these types that is pending or unacknowledged, consumer by consumer, each oldest first.

    The consumers are those that there are, also of a clone that a route has named once. What one has acknowledged beyond its
    floor (the first that it has not) is yielded as well: look for a result before anything is done about a task. Bodies that
    are no task are left out. Reads in batches, so that any backlog takes bounded memory.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the ledger could not be read to its end.
    """
    for state in (await consumer_states(network)).values():
        source = source_of(network.subjects, state.name, state.subject)
        if source is not None and source.task_type in task_types:
            async for found in _unfinished_of(network, source, state):
                yield found


async def unfinished_workflows(network: Network) -> AsyncIterator[Unfinished]:
    """As `unfinished`, of workflows: those that nobody took yet, and those that are driven. One that only waits is neither."""
    source = workflow_source(network.subjects)
    state = await consumer_state(network, source.consumer)
    if state is not None:
        async for found in _unfinished_of(network, source, state):
            yield found


async def _unfinished_of(network: Network, source: Source, state: ConsumerState) -> AsyncIterator[Unfinished]:
    # Not `is_idle`: a consumer counts what is stored a moment after its publisher has heard that it is.
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
