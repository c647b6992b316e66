"""Reading the network's state at a moment from the ledger, from its beginning up to then."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import islice

from bus.network import Network
from ops.archive.source import Source
from ops.lookup import stored_results
from ops.past import Past
from ops.past_snapshot import PastSnapshot
from ops.stories import Key
from schemas import is_token

CHUNK = 64
"""Tasks whose results are looked up together; each result may have up to a megabyte."""


async def state_at(source: Source, at: datetime, progress: Callable[[int, int], None]) -> PastSnapshot:
    """Return the state after the last entry that was stored at `at` or before; `progress` hears which was reached, and the last.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    # Times are told to the microsecond: an entry that is shown with this time is from then.
    end = await source.first_at(at + timedelta(microseconds=1)) - 1
    past = Past(source.subjects)
    if end > 0:
        async with aclosing(source.records(1, end)) as batches:
            async for batch in batches:
                for record in batch:
                    past.take(record)
                progress(batch[-1].sequence, end)
    if source.network is not None:
        past.forget([key async for key in _ended_before(source.network, past.doubtful())])
    return past.snapshot(at)


async def _ended_before(network: Network, doubtful: Iterable[tuple[Key, datetime]]) -> AsyncIterator[Key]:
    """Yield the tasks under whose ids a result stood when they were stored."""
    waiting = ((key, stored_at) for key, stored_at in doubtful if is_token(key[0]))
    while chunk := dict(islice(waiting, CHUNK)):
        by_subject = {network.subjects.result(*key): key for key in chunk}
        for message in await stored_results(network, by_subject):
            key = by_subject[message.subject]
            if message.stored_at <= chunk[key]:
                yield key
