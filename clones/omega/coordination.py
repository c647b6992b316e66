"""Omega: coordinates. It makes the network and keeps what its routing table needs, carries out commands, ends what nobody serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from nats.errors import Error as NatsError

from bus import buckets
from bus.artifacts import ensure_store
from bus.client import Submitter
from bus.definitions import Definitions
from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.former import remove_former_consumers
from bus.identity import OMEGA, Identity
from bus.jetstream import publish
from bus.journal import Journal
from bus.network import Network
from bus.routes import Revision, RevisionConflict, RouteWatch, ensure_bucket, in_force, put
from bus.task import Service
from bus.topology import Limits, ensure
from clones.omega import commands
from clones.omega.asks import Asks
from clones.omega.calls import Calls
from clones.omega.clock import Clock, SystemClock
from clones.omega.completeness import CheckCounts, Completeness
from clones.omega.deadlines import Deadlines
from clones.omega.departed import Departed
from clones.omega.health import Health
from clones.omega.repeating import repeat
from clones.omega.roll_call import InstanceCounts
from clones.omega.schedules import Schedules
from clones.omega.strays import Strays
from clones.omega.workflows import running
from clones.omega.workflows.arrivals import Arrivals
from clones.omega.workflows.definition_changes import store_shipped
from clones.omega.workflows.giving_up import GivingUp
from clones.omega.workflows.means import Books, Means
from clones.omega.workflows.observer import WorkflowObserver
from clones.omega.workflows.steering import Workflows, workflows_of
from clones.omega.workflows.submissions import Submissions
from clones.routing import DEFAULT_TABLE
from clones.tables import follow, make_consumers, table_of
from clones.workflows.shipped import shipped
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
            await ensure(network.requester, network.subjects, task_types={}, limits=limits)
            await ensure_store(network)
            await ensure_bucket(network)
            names = network.subjects
            made = names.workflows, names.sleepers, names.schedules, names.secrets, names.cache, names.completeness
            for bucket in made:
                await buckets.ensure_bucket(network.requester, bucket)
            await store_shipped(network, Definitions(network), shipped(), datetime.now(UTC))
            await ensure_table(network)
            await make_consumers(network, await table_of(network))
            await remove_former_consumers(network)
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
async def driving(identity: Identity, workflows: Workflows) -> AsyncIterator[Service]:
    """Have runs woken while this is open; yields the service that drives them."""
    network = workflows.network
    async with Arrivals(network) as arrivals, AsyncExitStack() as stack:
        stack.callback(asyncio.create_task(workflows.waker.run()).cancel)
        means = Means(
            network=network,
            identity=identity,
            table=workflows.table,
            submissions=Submissions(network, workflows.submitter),
            results=network.results,
            others=workflows.others,
            arrivals=arrivals,
            journal=Journal(network.requester, network.subjects),
        )
        books = Books(workflows.histories, workflows.definitions, workflows.sleepers, workflows.clock)
        giving_up = GivingUp(network, identity, workflows.telling, workflows.others)
        yield running.service(network, books, means, workflows.observer, giving_up)


@asynccontextmanager
async def coordination(
    network: Network,
    identity: Identity,
    watch_instances: Callable[[Callable[[], InstanceCounts]], None] | None = None,
    *,
    watch_completeness: Callable[[Callable[[], CheckCounts]], None] | None = None,
    clock: Clock | None = None,
    observer: WorkflowObserver | None = None,
) -> AsyncIterator[tuple[Service, ...]]:
    """Do all that Omega does beside its tasks while this is open; yields the services for Omega's worker.

    `watch_instances` is given what returns how many instances are in each state, and `watch_completeness` what returns how far
    the ledger is checked. Workflows live by `clock`, the system's where
    there is none, and `observer` hears of them.
    """
    async with AsyncExitStack() as stack:
        routes = await stack.enter_async_context(RouteWatch(network))
        await routes.first()

        def table() -> RoutingTable:
            return routes.current.routes.table

        submitter = await stack.enter_async_context(Submitter(network))
        clock = SystemClock() if clock is None else clock
        workflows = workflows_of(network, identity, submitter, table, clock, observer=observer)
        asks = Asks(network, submitter, identity, table)
        calls = Calls(identity, version("sanctuary-bus"), workflows, asks=asks.answer)
        await stack.enter_async_context(calls)
        health = await stack.enter_async_context(Health(network, identity, table))
        if watch_instances is not None:
            watch_instances(health.counts)
        departed = Departed(network, identity, table)
        strays, deadlines = Strays(network, identity, table), Deadlines(network, identity, table)
        schedules = Schedules(network, submitter, clock, workflows.observer)
        completeness = Completeness(network, identity)
        if watch_completeness is not None:
            watch_completeness(completeness.counts)
        looking_after = (departed, strays, deadlines, schedules, completeness)
        for work in (*(each.run() for each in looking_after), keep_consumers(network)):
            stack.callback(asyncio.create_task(work).cancel)
        yield *commands.services(identity, workflows), await stack.enter_async_context(driving(identity, workflows))
