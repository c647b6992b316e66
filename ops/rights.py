"""What clones may do on the embedded server follows the routing table in force."""

import asyncio
import logging

from bus.errors import SanctuaryError
from bus.network import Network
from bus.routes import Revision
from bus.server import EmbeddedServer
from clones.routing import types_by_clone
from clones.tables import follow

AGAIN_S = 1.0

log = logging.getLogger(__name__)


async def keep_rights(network: Network, server: EmbeddedServer) -> None:
    """Give the clones of each routing table their users and rights, until cancelled; `network` is the operator's."""

    async def give(revision: Revision) -> None:
        while True:
            try:
                await server.reload(types_by_clone(revision.routes.table))
            except (SanctuaryError, OSError) as error:
                log.warning("the clones' rights do not follow routing table %d yet: %s", revision.number, error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    await follow(network, give)
