"""How many tasks wait or run, by type and priority, from the ledger's consumers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.errors import JetStreamError, SanctuaryError
from bus.jetstream import api
from bus.network import Network
from bus.subjects import PRIORITIES, WORKFLOW_TYPE
from clones.routing import default_priority
from clones.tables import table_of
from clones.workflows import WORKFLOWS
from ops.metrics import Metrics

EVERY_S = 5.0
NO_PRIORITY = ""
"""What stands in place of a priority for workflows; Prometheus takes an empty label for none."""

_STREAM_NOT_FOUND = 10059
_CONSUMER_NOT_FOUND = 10014

log = logging.getLogger(__name__)

Depths = dict[tuple[str, str], int]
"""(task type, priority) to tasks stored and not ended; a task without a priority counts under its route's default."""


async def depths(network: Network) -> Depths:
    """Return all queues' depths: what is pending and what is delivered but not acknowledged (retries that wait included).

    Raises:
        RequestTimeout, NoResponders, Disconnected, JetStreamError: nothing could be read; without the right to ask, nobody answers.
    """
    subjects = network.subjects
    table = await table_of(network)
    consumers = [
        ((task_type, default_priority(table, task_type, priority)), subjects.consumer(task_type, priority))
        for task_type in table.routes
        for priority in (None, *PRIORITIES)
    ] + [((WORKFLOW_TYPE, NO_PRIORITY), subjects.workflow_consumer(name)) for name in WORKFLOWS]
    # One request first: where this user may not ask, it is refused once and not for each.
    first, *rest = (consumer for _, consumer in consumers)
    answers = [await _depth(network, first), *await asyncio.gather(*(_depth(network, consumer) for consumer in rest))]
    total: Depths = {}
    for (queue, _), depth in zip(consumers, answers, strict=True):
        total[queue] = total.get(queue, 0) + depth
    return total


async def _depth(network: Network, consumer: str) -> int:
    try:
        info = await api(network.requester, f"CONSUMER.INFO.{network.subjects.ledger}.{consumer}", timeout_s=2)
    except JetStreamError as error:
        if error.err_code in (_STREAM_NOT_FOUND, _CONSUMER_NOT_FOUND):
            return 0
        raise
    return int(info["num_pending"]) + int(info["num_ack_pending"])


@asynccontextmanager
async def watched(network: Network, metrics: Metrics) -> AsyncIterator[None]:
    """Keep the queue depths in `metrics` up to date while this is open."""
    watching = asyncio.create_task(_watch(network, metrics))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(network: Network, metrics: Metrics) -> None:
    while True:
        try:
            metrics.set_queues(await depths(network))
        except SanctuaryError as error:
            # A depth that is not known is better absent than old.
            metrics.set_queues({})
            log.debug("the queue depths cannot be read: %s", error)
        await asyncio.sleep(EVERY_S)
