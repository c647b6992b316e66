"""A clone of one's own comes into a network: its task types into the routing table, and its user into the server."""

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from bus.errors import ConfigurationError, Disconnected, NoResponders, RequestTimeout, SanctuaryError
from bus.network import Network, open_network
from bus.routes import LOOK_EVERY_S, Revision, in_force
from clones.base import Definition
from clones.routing import clones_of
from ops.commanding import verdict_on
from ops.connect import Where
from ops.hints import command_line
from ops.table_text import write_route
from schemas import Route, RouteChange, RoutingTable, TaskCompletion

VERDICT_WITHIN_S = 10.0
USER_WITHIN_S = 30.0
"""How long a network is given to make the user of a clone that is new to it."""
ASKED_WITHIN_S = 30.0
"""How long Omega is waited for, and how long others may change the table while we ask."""
AGAIN_S = 0.2

log = logging.getLogger(__name__)


class NotAdmitted(SanctuaryError):
    """The clone's task types are not in the routing table, and could not be added; the message holds what to add by hand."""


async def join(definition: Definition, where: Where) -> None:
    """Return when the network knows the clone: its types have routes, and it has a user of its own.

    Waits for the server and for the first routing table as long as it takes, as daemons do. A route that is there already
    is left as it is.

    Raises:
        NotAdmitted: routes are missing, and whoever we are may not add them, or the network refused them.
        ConfigurationError: no user was made in time.
        ConnectionFailed, AuthorizationFailed: as of `bus.connection.connect`.
    """
    if not definition.routes:
        return
    name = f"sanctuary clone {definition.name}"
    async with open_network(where.settings(), where.subjects, name=name) as network:
        await ask_for_routes(network, definition)
    await _user(where, definition.name)


async def ask_for_routes(network: Network, definition: Definition) -> None:
    """Return when the routing table in force has all of the clone's types; raises NotAdmitted as `join`."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + ASKED_WITHIN_S
    while True:
        current = await _table(network, definition)
        table = current.routes.table
        missing = {task_type: route for task_type, route in definition.routes.items() if task_type not in table.routes}
        if not missing:
            _tell_elsewhere(table, definition)
            return
        log.info("asking for routes of %s", ", ".join(missing))
        change = RouteChange(
            table=msgspec.structs.replace(table, routes={**table.routes, **missing}),
            base_revision=current.number,
            by=f"clone {definition.name}",
            reason=f"the clone {definition.name} was started",
        )
        try:
            verdict = await verdict_on(network, change, within_s=VERDICT_WITHIN_S)
        except (NoResponders, Disconnected) as error:
            # The network may be about to start.
            if clock() > deadline:
                raise _not_admitted(missing, f"nobody could be asked to add it: {error.message}") from None
        except SanctuaryError as error:
            raise _not_admitted(missing, f"nobody could be asked to add it: {error.message}") from None
        else:
            if isinstance(verdict, TaskCompletion):
                log.info("%s", verdict.summary)
                return
            changed_meanwhile = (await _table(network, definition)).number != current.number
            if not changed_meanwhile or clock() > deadline:
                raise _not_admitted(missing, f"the network refused it: {verdict.message}")
        await asyncio.sleep(AGAIN_S)


def _tell_elsewhere(table: RoutingTable, definition: Definition) -> None:
    """Say which of the clone's types the table gives to others alone: it waits for these in vain."""
    for task_type in definition.routes:
        clones = clones_of(table.routes[task_type])
        if definition.name not in clones:
            log.warning(
                "the routing table gives %s to %s, and %s gets none of it; %s changes that",
                task_type,
                " and ".join(clones),
                definition.name,
                command_line("routes set"),
            )


async def _table(network: Network, definition: Definition) -> Revision:
    said = False
    while True:
        try:
            found = await in_force(network)
        except RequestTimeout:
            # The server answers nothing to a user who may not ask.
            reason = "it cannot be read: these credentials may not, or the network does not answer"
            raise _not_admitted(definition.routes, reason) from None
        if found is not None:
            return found
        if not said:
            log.info("waiting for a routing table; Omega makes it")
            said = True
        await asyncio.sleep(LOOK_EVERY_S / 10)


async def _user(where: Where, name: str) -> None:
    """Wait until the embedded server has a user of this name; a server that was named has users of its own."""
    deadline = asyncio.get_running_loop().time() + USER_WITHIN_S
    while True:
        try:
            where.settings(name)
        except ConfigurationError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _not_admitted(missing: Mapping[str, Route], reason: str) -> NotAdmitted:
    names = ", ".join(missing)
    return NotAdmitted(
        f"the routing table has no route for {names}, and {reason}\n"
        "Have whoever operates the network add this to the table and put it into force:\n\n"
        f"    {command_line('routes show')} > routes.toml\n"
        f"    {command_line('routes set', 'routes.toml')}\n\n"
        + "\n".join(write_route(task_type, route) for task_type, route in missing.items())
    )
