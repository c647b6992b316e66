"""Sending a command to Omega, and getting the verdict on it."""

import getpass
import socket

from bus.errors import NoResponders, RequestTimeout, SanctuaryError
from bus.network import Network
from schemas import Command, SchemaError, TaskResult, decode, encode

_MAX_PERSON = 256


def person() -> str:
    """Return who asks, as a command names them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id that has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"[:_MAX_PERSON]


async def verdict_on(network: Network, command: Command, *, within_s: float) -> TaskResult:
    """Have Omega store `command` and carry it out; return how it ended.

    Raises:
        NoResponders: no Omega runs, or these credentials may not command; nothing was stored.
        RequestTimeout: no verdict came; the command may be stored and carried out later.
        SanctuaryError: it was not stored; the message is Omega's.
    """
    subject = network.subjects.call_command()
    try:
        answer = await network.requester.request(subject, encode(command), timeout_s=within_s)
    except NoResponders:
        raise NoResponders(
            f"nobody answers on {subject}: no Omega runs here (sanctuary omega), or these credentials may not command"
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
