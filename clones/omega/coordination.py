"""Omega: coordinates. It makes the network and keeps what its routing table needs, carries out commands, ends what nobody serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from nats.errors import Error as NatsError

from bus.artifacts import ensure_store
from bus.client import Submitter
from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.identity import OMEGA, Identity
from bus.jetstream import publish
from bus.network import Network
from bus.routes import Revision, RevisionConflict, RouteWatch, ensure_bucket, in_force, put
from bus.task import Service
from bus.topology import Limits, ensure
from clones.omega import commands, workflows
from clones.omega.asks import Asks
from clones.omega.calls import Calls
from clones.omega.deadlines import Deadlines
from clones.omega.departed import Departed
from clones.omega.health import Health
from clones.omega.repeating import repeat
from clones.omega.roll_call import InstanceCounts
from clones.omega.strays import Strays
from clones.omega.workflows import WORKFLOWS
from clones.routing import DEFAULT_TABLE
from clones.tables import follow, make_consumers, table_of
from schemas import RouteChange, RoutesInForce, RoutingTable, encode

JETSTREAM_POLL_S = 0.5
FIRST_TABLE = "the-first-routing-table"
"""The message id of the RouteChange that brings it: several Omegas that begin at once store one."""

log = logging.getLogger(__name__)


async def make_network(network: Network, limits: Limits) -> None:
    """Make the streams, consumers, buckets and the first routing table that are missing, as soon as JetStream answers.

    Raises:
        TopologyMismatch: one exists with another configuration.
    """
    said = False
    while True:
        try:
            await ensure(network.requester, network.subjects, task_types={}, workflows=WORKFLOWS, limits=limits)
            await ensure_store(network)
            await ensure_bucket(network)
            await ensure_table(network)
            await make_consumers(network, await table_of(network))
        except (NoResponders, RequestTimeout, Disconnected, NatsError) as error:
            if not said:
                log.warning("JetStream does not answer yet (is it enabled for this user?): %s", error)
                said = True
            await asyncio.sleep(JETSTREAM_POLL_S)
        else:
            return


async def ensure_table(network: Network) -> None:
    """Put the default table into force where none is, with its RouteChange in the ledger like any other's.

    Raises:
        SanctuaryError: it could not be read or stored.
    """
    if await in_force(network) is not None:
        return
    change = RouteChange(table=DEFAULT_TABLE, base_revision=0, by=OMEGA, reason="a new network begins with these")
    headers = {"Nats-Msg-Id": FIRST_TABLE}
    stored = await publish(network.requester, network.subjects.command("routes"), encode(change), headers=headers)
    first = RoutesInForce(
        table=change.table, at=datetime.now(UTC), command=stored.seq, by=change.by, reason=change.reason
    )
    try:
        await put(network, first, base_revision=0)
    except RevisionConflict:
        log.debug("another Omega was first with a routing table")


async def keep_consumers(network: Network) -> None:
    """Make the consumers that each new routing table needs, until cancelled."""

    async def make(revision: Revision) -> None:
        await make_consumers(network, revision.routes.table)

    # What fails is begun anew, with the table that is in force by then.
    await repeat(lambda: follow(network, make), JETSTREAM_POLL_S, "make the consumers of the routing table")


@asynccontextmanager
async def coordination(
    network: Network, identity: Identity, watch_instances: Callable[[Callable[[], InstanceCounts]], None] | None = None
) -> AsyncIterator[tuple[Service, ...]]:
    """Do all that Omega does beside its tasks while this is open; yields the services for Omega's worker.

    `watch_instances` is given what returns how many instances are in each state.
    """
    async with AsyncExitStack() as stack:
        routes = await stack.enter_async_context(RouteWatch(network))
        await routes.first()

        def table() -> RoutingTable:
            return routes.current.routes.table

        submitter = await stack.enter_async_context(Submitter(network))
        asks = Asks(network, submitter, identity, table)
        calls = Calls(network, submitter, identity, version("sanctuary-bus"), table, asks=asks.answer)
        await stack.enter_async_context(calls)
        health = await stack.enter_async_context(Health(network, identity, table))
        if watch_instances is not None:
            watch_instances(health.counts)
        departed = Departed(network, identity, table)
        strays, deadlines = Strays(network, identity, table), Deadlines(network, identity, table)
        for work in (departed.run(), strays.run(), deadlines.run(), keep_consumers(network)):
            stack.callback(asyncio.create_task(work).cancel)
        yield *commands.services(network, identity, table), *workflows.services(network.subjects, submitter)
