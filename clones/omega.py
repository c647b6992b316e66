"""Omega: coordinates. It makes the streams, answers calls, runs workflows, and ends tasks that nobody serves."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from nats.errors import Error as NatsError

from bus.artifacts import ensure_store
from bus.client import Submitter
from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.identity import Identity
from bus.network import Network
from bus.task import Service
from bus.topology import Limits, ensure
from clones.calls import Calls
from clones.routing import task_types
from clones.strays import Strays
from clones.workflows import WORKFLOWS, services

JETSTREAM_POLL_S = 0.5

log = logging.getLogger(__name__)


async def make_network(network: Network, limits: Limits) -> None:
    """Make the streams, consumers and the object store that are missing, as soon as JetStream answers.

    Raises:
        TopologyMismatch: one exists with another configuration.
    """
    said = False
    while True:
        try:
            await ensure(
                network.requester, network.subjects, task_types=task_types(), workflows=WORKFLOWS, limits=limits
            )
            await ensure_store(network)
        except (NoResponders, RequestTimeout, Disconnected, NatsError) as error:
            if not said:
                log.warning("JetStream does not answer yet (is it enabled for this user?): %s", error)
                said = True
            await asyncio.sleep(JETSTREAM_POLL_S)
        else:
            return


@asynccontextmanager
async def coordination(network: Network, identity: Identity) -> AsyncIterator[tuple[Service, ...]]:
    """Answer calls and end strays while this is open; yields the workflow services for Omega's worker."""
    async with Submitter(network) as submitter, Calls(network, submitter, identity, version("sanctuary-bus")):
        strays = asyncio.create_task(Strays(network, identity).run())
        try:
            yield services(network.subjects, submitter)
        finally:
            strays.cancel()
