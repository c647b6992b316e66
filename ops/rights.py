"""What clones may do on the embedded server follows the routing table in force."""

import asyncio
import logging

from nats.errors import Error as NatsError

from bus.errors import SanctuaryError
from bus.network import Network
from bus.routes import in_force
from bus.server import EmbeddedServer
from clones.routing import types_by_clone
from schemas import SchemaError

LOOK_EVERY_S = 0.1
"""More often than daemons look: most find their rights there when they learn of a table."""
AGAIN_S = 1.0

log = logging.getLogger(__name__)


async def keep_rights(network: Network, server: EmbeddedServer) -> None:
    """Give the clones of each routing table their users and rights, until cancelled; `network` is the operator's."""
    given = 0
    while True:
        try:
            revision = await in_force(network)
            if revision is not None and revision.number != given:
                await server.reload(types_by_clone(revision.routes.table))
                given = revision.number
        except (SanctuaryError, SchemaError, NatsError, OSError) as error:
            log.warning("the clones' rights do not follow the routing table just now: %s", error)
            await asyncio.sleep(AGAIN_S)
        await asyncio.sleep(LOOK_EVERY_S)
