"""The schedules in force: a key-value bucket that `nats kv` reads, each schedule under its name. Only Omega writes."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

from bus import buckets
from bus.errors import NoResponders
from bus.jetstream import StoredMessage
from bus.network import Network
from schemas import ScheduleInForce, SchemaError, decode_grown, encode, encode_grown


class Standing(NamedTuple):
    """What stands under a schedule's name."""

    name: str
    revision: int
    stored_at: datetime
    record: ScheduleInForce | None
    """None: it was removed, or cannot be read, as `problem` says."""
    problem: str = ""
    body: bytes = b""
    """As it is stored."""


async def standing(network: Network, name: str) -> Standing | None:
    """Return what stands under a schedule's name, or None where nothing is known of it.

    Raises:
        SanctuaryError: it could not be read.
    """
    try:
        message = await buckets.last_in(network.requester, network.subjects.schedules, name)
    except NoResponders:
        return None  # no bucket yet
    return None if message is None else _standing(network, message)


async def schedules(network: Network, *, after: int = 0) -> AsyncIterator[Standing]:
    """Yield the schedules that were written after the revision `after`, what was removed among them; raises as `standing`."""
    async for message in buckets.changes(network.requester, network.subjects.schedules, after=after):
        yield _standing(network, message)


async def put(
    network: Network, name: str, record: ScheduleInForce, revision: int, *, before: bytes = b""
) -> int | None:
    """Write a schedule in place of the revision, 0 for none, and return the new one; None: another stands there now.

    `before` is the body that it was made of: what a later version has put there, and is not known here, stays.

    Raises:
        SanctuaryError: the server did not store it, or did not say so.
    """
    subject = buckets.subject_of(network.subjects.schedules, name)
    body = encode_grown(record, before) if before else encode(record)
    return await buckets.put(network.requester, subject, body, revision)


async def remove(network: Network, name: str, revision: int) -> int | None:
    """Remove a schedule; otherwise as `put`."""
    return await buckets.delete(network.requester, buckets.subject_of(network.subjects.schedules, name), revision)


def _standing(network: Network, message: StoredMessage) -> Standing:
    name = buckets.key_of(network.subjects.schedules, message)
    record, problem = None, ""
    if message.data:
        try:
            record = decode_grown(ScheduleInForce, message.data)
        except SchemaError as error:
            problem = error.message
    return Standing(name, message.sequence, message.stored_at, record, problem, message.data)
