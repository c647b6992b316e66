"""Sending a command to Omega, and getting the verdict on it."""

import asyncio
import getpass
import socket
from collections.abc import Callable

from nats.aio.msg import Msg

from bus.errors import NoResponders, RequestTimeout, SanctuaryError
from bus.network import Network
from ops.hints import command_line
from schemas import Command, SchemaError, TaskResult, decode, encode

ABSENT_S = 8.0
"""How long it is waited for an Omega that does not answer: longer than `sanctuary up` takes to start one anew."""
_LOOK_EVERY_S = 0.5
_MAX_PERSON = 256


def person() -> str:
    """Return who asks, as a command names them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id that has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"[:_MAX_PERSON]


async def verdict_on(
    network: Network, command: Command, *, within_s: float, waiting: Callable[[str], None] | None = None
) -> TaskResult:
    """Have Omega store `command` and carry it out; return how it ended.

    Where nobody answers, one that is just being started anew is waited for, which `waiting` hears of once; None: it is not.

    Raises:
        NoResponders: no Omega runs, or these credentials may not command; nothing was stored.
        RequestTimeout: no verdict came; the command may be stored and carried out later.
        SanctuaryError: it was not stored; the message is Omega's.
    """
    subject = network.subjects.call_command()
    try:
        answer = await _answer(network, subject, encode(command), within_s, waiting)
    except NoResponders:
        raise NoResponders(
            f"nobody answers on {subject}: no Omega runs here ({command_line('omega')}), "
            "or these credentials may not command"
        ) from None
    except RequestTimeout:
        raise RequestTimeout(
            f"no verdict within {within_s:g} s; the command may be stored and carried out later"
        ) from None
    try:
        verdict: TaskResult = decode(TaskResult, answer.data)
    except SchemaError:
        headers = answer.headers or {}
        raise SanctuaryError(headers.get("Nats-Service-Error", f"{subject} answered with no verdict")) from None
    return verdict


async def _answer(
    network: Network, subject: str, body: bytes, within_s: float, waiting: Callable[[str], None] | None
) -> Msg:
    """Return the answer; a command that nobody took was not stored, and so is sent again."""
    clock = asyncio.get_running_loop().time
    until = clock() + ABSENT_S
    told = waiting is None
    while True:
        try:
            return await network.requester.request(subject, body, timeout_s=within_s)
        except NoResponders:
            if waiting is None or clock() > until:
                raise
        if not told:
            told = True
            waiting(f"No Omega answers; waiting up to {ABSENT_S:g} s for one.")
        await asyncio.sleep(_LOOK_EVERY_S)
