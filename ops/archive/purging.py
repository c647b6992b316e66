"""Taking out of the ledger what is archived and no longer of use there: looked up, compared byte for byte, and only then purged."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from bus.errors import SanctuaryError
from bus.jetstream import api
from bus.ledger import extent
from bus.network import Network
from bus.record_reader import records
from bus.records import Record
from ops.archive.archiving import Progress
from ops.archive.holding import holds, unanswered
from ops.archive.retention import Hold, Open, Plan, planned
from ops.archive.segment import verify
from ops.archive.source import Source

_PURGE_S = 120.0


async def plan(
    source: Source,
    network: Network,
    *,
    keep_s: float,
    now: datetime | None = None,
    progress: Progress = lambda at, last: None,
) -> Plan:
    """Return what can go: archived as it stands in the ledger, ended, and older than `keep_s` seconds.

    Every entry that can go was read in the archive and in the ledger, and is the same.

    Raises:
        SanctuaryError: something could not be looked up, or the archive differs from the ledger; then nothing may go.
        SegmentDamaged: a segment that has some of it is not what was sealed.
    """
    first, last = await extent(network)
    found = await holds(source, network, keep_s=keep_s, now=now or datetime.now(UTC))
    before = planned(first, last, found)
    if before.count:
        asked = Open(network.subjects)
        async for batch in _compared(source, network, first, before.until - 1):
            for record in batch:
                asked.take(record)
            progress(batch[-1].sequence, before.until - 1)
        unended = await unanswered(source, network, asked)
        if unended is not None:
            found.append(Hold(unended.sequence, f"has not ended: {unended}"))
    return planned(first, last, found)


async def _compared(source: Source, network: Network, first: int, end: int) -> AsyncIterator[list[Record]]:
    """Yield the ledger's entries between two sequences, each of which the archive has too, and no other."""
    archive = source.archive
    for segment in archive.segments:
        if segment.end >= first and segment.start <= end:
            verify(segment)
    following = first
    async for batch in records(network, first, end):
        archived = [each for part in archive.batches(following, batch[-1].sequence) for each in part]
        if archived != batch:
            number = _first_difference(archived, batch)
            raise SanctuaryError(
                f"the entry {number} is not the same in the ledger {network.subjects.ledger} and in {archive.directory}: one of them "
                "was altered, so nothing is purged. `sanctuary audit verify` says which"
            )
        following = batch[-1].sequence + 1
        yield batch


def _first_difference(one: list[Record], other: list[Record]) -> int:
    """Return the lowest sequence that two stretches of the ledger, which differ, do not share."""
    different = set(one) ^ set(other)
    return min(record.sequence for record in different)


async def purge(network: Network, decided: Plan) -> int:
    """Remove from the ledger what can go, and return how many entries that were; the server forgets them for good.

    Raises:
        JetStreamError, NoResponders: the server refused; only the operator and Omega may do this.
        RequestTimeout, Disconnected: whether they are gone is unknown; doing it again does no harm.
    """
    if not decided.count:
        return 0
    body = {"seq": decided.until}
    answer = await api(network.requester, f"STREAM.PURGE.{network.subjects.ledger}", body, timeout_s=_PURGE_S)
    return int(answer["purged"])
