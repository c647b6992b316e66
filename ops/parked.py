"""The tasks that wait for a decision, read from what their consumers have not had acknowledged: however long the ledger is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bus.jetstream import last_of_each
from bus.journal import event_of
from bus.network import Network
from bus.subjects import Subjects
from bus.unfinished import Unfinished
from clones.omega.submissions import open_tasks
from clones.tables import table_of
from schemas import TaskParked

CHUNK = 256
"""Tasks whose newest events are looked up together."""


@dataclass(frozen=True, slots=True)
class ParkedTask:
    """A task that waits for a decision."""

    event: TaskParked
    submitted_at: datetime
    labels: dict[str, str]


async def parked(network: Network) -> list[ParkedTask]:
    """Return all parked tasks, those first that have been so longest.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    table = await table_of(network)
    found: dict[tuple[str, str], ParkedTask] = {}
    chunk: list[Unfinished] = []
    async for each in open_tasks(network, table.routes):
        chunk.append(each)
        if len(chunk) == CHUNK:
            found |= {(one.event.task_type, one.event.task_id): one async for one in _among(network, chunk)}
            chunk = []
    found |= {(one.event.task_type, one.event.task_id): one async for one in _among(network, chunk)}
    return sorted(found.values(), key=lambda one: one.event.at)


async def _among(network: Network, chunk: list[Unfinished]) -> AsyncIterator[ParkedTask]:
    """Yield those that are parked."""
    if not chunk:
        return
    subjects, requester = network.subjects, network.requester
    events = await last_of_each(requester, subjects.ledger, {_event_of(subjects, each) for each in chunk})
    candidates: list[tuple[Unfinished, TaskParked]] = []
    for each in chunk:
        message = events.get(_event_of(subjects, each))
        event = None if message is None else event_of(message)
        # One that was handed over is there twice; the one in charge counts.
        if isinstance(event, TaskParked) and event.sequence in (None, each.sequence):
            candidates.append((each, event))
    if not candidates:
        return
    wanted = {_result_of(subjects, each) for each, _ in candidates}
    ended = await last_of_each(requester, subjects.results, wanted)
    for each, event in candidates:
        if _result_of(subjects, each) not in ended:
            yield ParkedTask(event, each.stored_at, dict(each.request.assignment.labels))


def _event_of(subjects: Subjects, task: Unfinished) -> str:
    return subjects.event(task.request.task_type, task.request.id)


def _result_of(subjects: Subjects, task: Unfinished) -> str:
    return subjects.result(task.request.task_type, task.request.id)
