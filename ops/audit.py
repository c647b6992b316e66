"""Reading the ledger: newest first, as it grows, and all that belongs to one task. Bounded memory whatever its length."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from bus import ledger
from bus.errors import Disconnected, JetStreamError, NoResponders, RequestTimeout, SanctuaryError
from bus.jetstream import STREAM_NOT_FOUND
from bus.ledger import entries
from bus.network import Network
from bus.signing import SIGNER
from ops.entries import Entry, read_entry
from ops.filters import EVERYTHING, Filter

POLL_S = 0.2
"""How often the ledger is looked at for what is new. A core subscription would hear of it sooner, but not of results' copies."""

log = logging.getLogger(__name__)


async def last_sequence(network: Network) -> int:
    """Return the newest entry's sequence; 0: the ledger is empty.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    try:
        return await ledger.last_sequence(network)
    except (NoResponders, RequestTimeout):
        raise SanctuaryError(_nobody(network)) from None
    except JetStreamError as error:
        if error.err_code == STREAM_NOT_FOUND:
            raise SanctuaryError(_nobody(network)) from None
        raise


def _nobody(network: Network) -> str:
    return (
        f"the ledger {network.subjects.ledger} does not answer: Omega has not made it, this user may not read it, or the server "
        "has no JetStream. `sanctuary doctor` says more"
    )


async def newest_first(network: Network, subjects: Sequence[str], *, before: int | None = None) -> AsyncIterator[Entry]:
    """Yield the ledger's entries on `subjects` (wildcards allowed), newest first, those below the sequence `before`.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    end = await last_sequence(network) + 1 if before is None else before
    async for message in ledger.newest_first(network, subjects, before=end):
        yield read_entry(network.subjects, message)


async def first_from(network: Network, at: datetime) -> int:
    """Return the number of the first entry that was stored at `at` or later, or the one that the next entry will have.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    after = await last_sequence(network) + 1
    async for message in ledger.entries(network, ">", start=at):
        return message.sequence
    return after


async def follow(network: Network, start: int, wanted: Filter = EVERYTHING) -> AsyncIterator[Entry]:
    """Yield the entries from the sequence `start` on that are wanted, for ever; goes on where it was after a reconnect.

    Raises:
        SanctuaryError: the ledger cannot be read from the beginning.
    """
    began = False
    while True:
        try:
            async for message in entries(network, ">", start=start):
                start = message.sequence + 1
                signer = message.headers.get(SIGNER, "").encode()
                if wanted.may_match(message.subject, message.data, signer):
                    entry = read_entry(network.subjects, message)
                    if wanted.matches(entry):
                        yield entry
            began = True
        except (Disconnected, RequestTimeout, NoResponders) as error:
            if not began:
                raise SanctuaryError(_nobody(network)) from None
            log.debug("the ledger cannot be read just now: %s", error)
        await asyncio.sleep(POLL_S)


async def between(network: Network, subject: str, start: int, end: int | None = None) -> AsyncIterator[Entry]:
    """Yield the present entries on `subject` from the sequence `start` up to `end`, or to the last.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    try:
        async for message in entries(network, subject, start=start):
            if end is not None and message.sequence > end:
                return
            yield read_entry(network.subjects, message)
    except (NoResponders, RequestTimeout):
        raise SanctuaryError(_nobody(network)) from None
