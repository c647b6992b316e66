"""A clone of one's own comes into a network: its task types into the routing table, and its user into the server."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from bus.errors import ConfigurationError, NoResponders, RequestTimeout, SanctuaryError
from bus.network import Network, open_network
from bus.routes import LOOK_EVERY_S, Revision, in_force
from clones.base import Definition
from ops.connect import Where
from schemas import ErrorCode, Route, RouteChange, TaskCompletion, TaskResult, decode, encode

VERDICT_WITHIN_S = 15.0
USER_WITHIN_S = 30.0
"""How long a network is given to make the user of a clone that is new to it."""
TRIES = 5
"""How often the table may be changed by others while we ask."""

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
        await _ask_for_routes(network, definition)
    await _user(where, definition.name)


async def _ask_for_routes(network: Network, definition: Definition) -> None:
    reason = ""
    for _ in range(TRIES):
        current = await _table(network, definition)
        table = current.routes.table
        missing = {task_type: route for task_type, route in definition.routes.items() if task_type not in table.routes}
        if not missing:
            return
        log.info("asking for routes of %s", ", ".join(missing))
        change = RouteChange(
            table=msgspec.structs.replace(table, routes={**table.routes, **missing}),
            base_revision=current.number,
            by=f"clone {definition.name}",
            reason=f"the clone {definition.name} was started",
        )
        try:
            verdict = await _verdict(network, change)
        except SanctuaryError as error:
            raise _not_admitted(missing, f"nobody could be asked to add it: {error.message}") from None
        if isinstance(verdict, TaskCompletion):
            log.info("%s", verdict.summary)
            return
        reason = verdict.message
        if verdict.code != ErrorCode.ROUTES_REFUSED:
            break
    raise _not_admitted(missing, f"the network refused it: {reason}")


async def _table(network: Network, definition: Definition) -> Revision:
    said = False
    while True:
        try:
            found = await in_force(network)
        except RequestTimeout as error:
            # Where this user may not read it, the server answers nothing.
            raise _not_admitted(definition.routes, f"it cannot be read: {error.message}") from None
        if found is not None:
            return found
        if not said:
            log.info("waiting for a routing table; Omega makes it")
            said = True
        await asyncio.sleep(LOOK_EVERY_S / 10)


async def _verdict(network: Network, change: RouteChange) -> TaskResult:
    subject = network.subjects.call_command()
    try:
        answer = await network.requester.request(subject, encode(change), timeout_s=VERDICT_WITHIN_S)
    except NoResponders:
        raise NoResponders("no Omega runs, or these credentials may not command") from None
    except RequestTimeout:
        raise RequestTimeout("no verdict in time; these credentials may not command, perhaps") from None
    if not answer.data:
        raise SanctuaryError((answer.headers or {}).get("Nats-Service-Error", "the answer was empty"))
    result: TaskResult = decode(TaskResult, answer.data)
    return result


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
        "    sanctuary routes show > routes.toml\n"
        "    sanctuary routes set routes.toml\n\n"
        f"{routes_toml(missing)}"
    )


def routes_toml(routes: Mapping[str, Route]) -> str:
    """Return routes as they stand in a table's TOML."""
    lines = []
    for task_type, route in routes.items():
        lines.append(f"[routes.{task_type}]")
        lines += [f"{field} = {_toml(value)}" for field, value in msgspec.to_builtins(route).items()]
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of these are TOML's too.
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
