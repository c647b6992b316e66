"""How many tasks wait and run, by type and priority, and how long the oldest of those that wait has waited."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from bus.consumers import consumer_state, consumer_states
from bus.ledger import first_of
from bus.network import Network
from bus.subjects import PRIORITIES, WORKFLOW_TYPE
from bus.unfinished import handover_sources
from schemas import Priority, QueueStatus, Route

NO_PRIORITY = ""
"""What stands in place of a priority for workflows."""
HANDED_OVER: Priority = "high"
"""What a task counts as that was handed to one clone: workers pull it like this."""


async def queue_status(
    network: Network, task_type: str, priority: Priority | None, default_priority: Priority
) -> QueueStatus:
    """Return what waits on one task subject; without a priority it counts under `default_priority`.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: it could not be read; without the right to ask, nobody answers.
    """
    subjects = network.subjects
    consumer, subject = subjects.consumer(task_type, priority), subjects.task(task_type, priority)
    return await _status(network, task_type, priority or default_priority, consumer, subject)


async def queue_statuses(
    network: Network, routes: Mapping[str, Route], *, clone: str | None = None, workflows: bool = False
) -> tuple[QueueStatus, ...]:
    """Return the queues of all task types in `routes`, one for each priority, and that of all workflows, if wanted.

    A subject without a priority counts under its route's default, a task that was handed over as `HANDED_OVER`. A clone
    names itself: of what was handed over it may see its own only. Without one, what was handed to a clone counts whether its
    route still names it or not. Raises as `queue_status`.
    """
    subjects = network.subjects
    parts = []
    if workflows:
        parts.append(_status(network, WORKFLOW_TYPE, NO_PRIORITY, subjects.workflows_consumer, subjects.workflow("*")))
    for task_type, route in routes.items():
        parts += [
            queue_status(network, task_type, priority, route.default_priority) for priority in (*PRIORITIES, None)
        ]
        if clone in (route.clone, *route.fallback):
            handover = subjects.handover_consumer(task_type, clone), subjects.handover(task_type, clone)
            parts.append(_status(network, task_type, HANDED_OVER, *handover))
    if clone is None:
        parts += [
            _status(network, source.task_type, HANDED_OVER, source.consumer, source.subject)
            for source in handover_sources(subjects, await consumer_states(network))
            if source.task_type in routes
        ]
    total: dict[tuple[str, str], QueueStatus] = {}
    for found in await asyncio.gather(*parts):
        queue = (found.task_type, found.priority)
        total[queue] = merged(total[queue], found) if queue in total else found
    return tuple(total.values())


def merged(one: QueueStatus, other: QueueStatus) -> QueueStatus:
    """Return what waits on two subjects of one type and priority."""
    ages = [age for age in (one.oldest_s, other.oldest_s) if age is not None]
    return msgspec.structs.replace(
        one,
        waiting=one.waiting + other.waiting,
        taken=one.taken + other.taken,
        oldest_s=max(ages, default=None),
    )


async def _status(network: Network, task_type: str, priority: str, consumer: str, subject: str) -> QueueStatus:
    state = await consumer_state(network, consumer)
    if state is None:
        return QueueStatus(task_type=task_type, priority=priority, waiting=0, taken=0)
    oldest_s = await _age_s(network, subject, state.first_waiting) if state.num_pending else None
    return QueueStatus(
        task_type=task_type,
        priority=priority,
        waiting=state.num_pending,
        taken=state.num_ack_pending,
        oldest_s=oldest_s,
    )


async def _age_s(network: Network, subject: str, start: int) -> float | None:
    """Return how long ago the first message of `subject` from the ledger sequence `start` on was stored."""
    message = await first_of(network, subject, start=start)
    return None if message is None else max(0.0, (datetime.now(UTC) - message.stored_at).total_seconds())
