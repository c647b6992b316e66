"""Omega's metrics of the queues, from the ledger's consumers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.errors import SanctuaryError
from bus.network import Network
from bus.queues import queue_statuses
from clones.tables import table_of
from ops.metrics import Metrics

EVERY_S = 5.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def watched(network: Network, metrics: Metrics) -> AsyncIterator[None]:
    """Keep the queues in `metrics` up to date while this is open."""
    watching = asyncio.create_task(_watch(network, metrics))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(network: Network, metrics: Metrics) -> None:
    while True:
        try:
            table = await table_of(network)
            metrics.set_queues(await queue_statuses(network, table.routes, workflows=True))
        except SanctuaryError as error:
            # What is not known is better absent than old.
            metrics.set_queues(())
            log.debug("the queues cannot be read: %s", error)
        await asyncio.sleep(EVERY_S)
