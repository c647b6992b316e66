"""The routing table of a network: read once, or followed through its changes."""

import asyncio
from collections.abc import Awaitable, Callable

from bus.network import Network
from bus.routes import Revision, RouteWatch, in_force
from clones.routing import DEFAULT_TABLE
from schemas import RoutingTable


async def table_of(network: Network) -> RoutingTable:
    """Return the table in force; the default where there is none yet, or where nobody lets us read it.

    Raises:
        SanctuaryError: it could not be read.
    """
    revision = await in_force(network)
    return DEFAULT_TABLE if revision is None else revision.routes.table


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
