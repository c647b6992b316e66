"""The routing table of a network: read once, or followed through its changes; and the consumers that it needs."""

import asyncio
from collections.abc import Awaitable, Callable

from bus.network import Network
from bus.routes import Revision, RouteWatch, in_force
from bus.topology import ensure_consumers, task_consumers
from clones.routing import DEFAULT_TABLE, clones_by_type
from schemas import RoutingTable


async def table_of(network: Network, otherwise: RoutingTable = DEFAULT_TABLE) -> RoutingTable:
    """Return the table in force, or `otherwise` where there is none yet, or where nobody lets us read it.

    Raises:
        SanctuaryError: it could not be read.
    """
    revision = await in_force(network)
    return otherwise if revision is None else revision.routes.table


async def follow(network: Network, act: Callable[[Revision], Awaitable[None]]) -> None:
    """Do `act` for the table in force, as soon as there is one, and for each later one, until cancelled.

    Of several that came while `act` was busy, only the newest is acted on.
    """
    changed = asyncio.Event()
    async with RouteWatch(network, lambda _: changed.set()) as watch:
        while True:
            await changed.wait()
            changed.clear()
            await act(watch.current)


async def make_consumers(network: Network, table: RoutingTable) -> None:
    """Make the consumers of the table's types and clones that are missing; raises as `bus.topology.ensure`."""
    for task_type, clones in clones_by_type(table).items():
        wanted = task_consumers(network.subjects, task_type, clones)
        await ensure_consumers(network.requester, network.subjects, wanted)
