"""The routing table in force: kept in a key-value bucket, and looked at by every daemon each second.

The bucket is one that `nats kv` reads (ADR-8): key `table`, body RoutesInForce. Its revisions count from 1; a writer names
the one that it replaces, so that of two changes made at once one is refused. Only Omega writes.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import NotFoundError

from bus import buckets
from bus.errors import NoResponders, SanctuaryError
from bus.jetstream import StoredMessage, last_of
from bus.ledger import stream_entries
from bus.network import Network
from schemas import RoutesInForce, SchemaError, decode_grown, encode

HISTORY = 64
"""Revisions that are kept, the most that a bucket can; the ledger keeps every RouteChange."""
LOOK_EVERY_S = 1.0
"""How soon after a change each daemon knows it."""

log = logging.getLogger(__name__)


class Revision(NamedTuple):
    """A routing table and its number."""

    number: int
    routes: RoutesInForce


class RevisionConflict(SanctuaryError):
    """Another revision than the expected one is in force."""


class UnreadableTable(SanctuaryError):
    """What stands in the bucket is no routing table that is known here."""


async def ensure_bucket(network: Network) -> None:
    """Make the bucket where it is missing.

    Raises:
        nats.errors.Error: the server refused, or did not answer.
    """
    js = network.client.jetstream()
    try:
        await js.key_value(network.subjects.routes)
    except NotFoundError:
        config = KeyValueConfig(bucket=network.subjects.routes, history=HISTORY, storage=StorageType.FILE, direct=True)
        await js.create_key_value(config)


async def in_force(network: Network) -> Revision | None:
    """Return the table in force, or None where there is none yet.

    Raises:
        UnreadableTable: something else than a table is in force.
        SanctuaryError: it could not be read.
    """
    try:
        message = await last_of(network.requester, _stream(network), _key(network))
    except NoResponders:
        return None  # no bucket yet, or nobody may read it
    if message is None:
        return None
    try:
        return _revision(message)
    except SchemaError as error:
        bucket = network.subjects.routes
        raise UnreadableTable(
            f"revision {message.sequence} of the routing table cannot be read ({error.message}); "
            f"go back to an earlier one: nats kv revert {bucket} table REVISION"
        ) from None


async def history(network: Network) -> list[Revision]:
    """Return the revisions that are kept and can be read, oldest first.

    Raises:
        SanctuaryError: none could be read.
    """
    found: list[Revision] = []
    try:
        async for message in stream_entries(network.requester, _stream(network), _key(network)):
            try:
                found.append(_revision(message))
            except SchemaError as error:
                log.warning("revision %d of the routing table cannot be read: %s", message.sequence, error)
    except NoResponders:
        return []
    return found


async def put(network: Network, routes: RoutesInForce, *, base_revision: int) -> int:
    """Put a table into force in place of the revision `base_revision` (0: there is none), and return its number.

    Raises:
        RevisionConflict: another revision is in force.
        SanctuaryError: the server did not store it, or did not say so.
    """
    revision = await buckets.put(network.requester, _key(network), encode(routes), base_revision)
    if revision is None:
        raise RevisionConflict(f"revision {base_revision} is not in force (any more)")
    return revision


class RouteWatch:
    """Knows the table in force; use as an async context manager."""

    def __init__(self, network: Network, on_change: Callable[[Revision], None] | None = None) -> None:
        """Take what hears of each new revision, the first one included, in this event loop."""
        self._network = network
        self._on_change = on_change
        self._known = asyncio.Event()
        self._current: Revision | None = None
        self._said = False

    async def __aenter__(self) -> "RouteWatch":
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    @property
    def current(self) -> Revision:
        """The revision in force; only after `first`."""
        if self._current is None:
            raise RuntimeError("no routing table is known yet")
        return self._current

    async def first(self) -> Revision:
        """Wait until a table is in force, and return it."""
        await self._known.wait()
        return self.current

    async def _watch(self) -> None:
        told = ""
        while True:
            try:
                await self._look()
                told = ""
            except (SanctuaryError, NatsError) as error:
                # The last one known stays in use: a network that cannot be read changes nothing. An outage is told once.
                if str(error) != told:
                    told = str(error)
                    log.warning("the routing table cannot be read: %s", error)
            except Exception as error:  # noqa: BLE001  a defect met once must not have this daemon go by an old table for good
                context = {"message": "the routing table was not followed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
            await asyncio.sleep(LOOK_EVERY_S if self._known.is_set() else LOOK_EVERY_S / 10)

    async def _look(self) -> None:
        found = await in_force(self._network)
        if found is None and not self._said:
            log.info("waiting for a routing table; Omega makes it")
            self._said = True
        if found is not None and found != self._current:
            self._current = found
            self._known.set()
            if self._on_change is not None:
                self._on_change(found)


def _revision(message: StoredMessage) -> Revision:
    return Revision(message.sequence, decode_grown(RoutesInForce, message.data))


def _stream(network: Network) -> str:
    return buckets.stream_of(network.subjects.routes)


def _key(network: Network) -> str:
    return buckets.subject_of(network.subjects.routes, "table")
