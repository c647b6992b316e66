"""The archive step: what is new in the ledger goes into segments, which are read back before anything counts as archived."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bus import record_reader
from bus.jetstream import api
from bus.network import Network
from bus.records import Record
from ops.archive.directory import Archive, locked, open_archive
from ops.archive.index import Index
from ops.archive.segment import verify
from ops.archive.source import check_same
from ops.archive.writing import TEMPORARY, SegmentWriter, sync_directory

SETTLED_S = 1.0
"""Entries younger than this, by the server's clock, are left for the next time: a power cut may take them, and give their sequences
to others."""
_NS = 1_000_000_000

Progress = Callable[[int, int], None]
"""Hears which entry is archived, and which is the last one."""


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did."""

    sealed: int
    """How many segments it wrote."""
    records: int
    """How many entries it added."""
    end: int
    """The last sequence that is archived now."""
    last: int
    """The ledger's last sequence when it began."""
    lost: tuple[int, int] | None
    """The first and the last sequence of what was removed from the ledger before it was archived; None: nothing was."""


async def archive_ledger(network: Network, directory: Path, progress: Progress = lambda at, last: None) -> Archived:
    """Archive what the ledger holds now, from where the last run ended, whether or not that was killed.

    Raises:
        ArchiveWrong, SegmentDamaged: what is archived cannot be gone on with.
        SanctuaryError: somebody else archives there, or the ledger does not answer.
        OSError: the directory cannot be written.
    """
    with locked(directory):
        archive = open_archive(directory, network.subjects.realm)
        _tidy(directory, archive)
        info = await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}")
        first, last = int(info["state"]["first_seq"]), int(info["state"]["last_seq"])
        await check_same(network, archive, last)
        before_ns = _ns(info["ts"]) - round(SETTLED_S * _NS)
        run = await _go_on(network, directory, archive, last=last, before_ns=before_ns, progress=progress)
        now = open_archive(directory, network.subjects.realm)
        await asyncio.to_thread(_bring_up, now)
        lost = (archive.end + 1, first - 1) if run.records and first > archive.end + 1 else None
        return Archived(sealed=run.sealed, records=run.records, end=now.end, last=last, lost=lost)


def _tidy(directory: Path, archive: Archive) -> None:
    """Remove what a run has left that was killed."""
    for path in (*archive.replaced, *directory.glob(f"*{TEMPORARY}")):
        path.unlink(missing_ok=True)


def _ns(at: Any) -> int:
    # To the microsecond; that it is cut off archives less, never more.
    moment = msgspec.convert(at, datetime)
    return int(moment.timestamp()) * _NS + moment.microsecond * 1000


def _bring_up(archive: Archive) -> None:
    with Index(archive):
        pass


class _Run:
    """One run of the archive step, from the sequence `start` on."""

    def __init__(self, directory: Path, realm: str, start: int) -> None:
        self._directory = directory
        self._realm = realm
        self._writer = SegmentWriter(directory, realm, start)
        self.sealed = 0
        self.records = 0

    async def take(self, batch: list[Record]) -> None:
        """Take in entries, in order; a segment that is full with them is sealed."""
        for record in batch:
            if self._writer.count and record.sequence > self._writer.end:
                await self._seal(self._writer.end)
            self._writer.add((record,))
        self.records += len(batch)

    async def finish(self) -> None:
        """Seal what is there; the next run writes that segment anew, with what follows."""
        if self._writer.count:
            await self._seal(self._writer.last)

    def close(self) -> None:
        """Remove what is not sealed."""
        self._writer.discard()

    async def _seal(self, end: int) -> None:
        segment = await asyncio.to_thread(self._writer.seal, end)
        self._writer = SegmentWriter(self._directory, self._realm, end + 1)
        await asyncio.to_thread(verify, segment)
        self.sealed += 1


async def _go_on(
    network: Network, directory: Path, archive: Archive, *, last: int, before_ns: int, progress: Progress
) -> _Run:
    """Write what follows the last full segment, up to the ledger's entry `last`."""
    newest = archive.segments[-1] if archive.segments else None
    unfinished = newest if newest is not None and not newest.is_full else None
    run = _Run(directory, archive.realm, archive.end + 1 if unfinished is None else unfinished.start)
    try:
        if unfinished is not None:
            for batch in archive.batches(unfinished.start):
                await run.take(batch)
            run.records = 0
        async for batch in _settled(network, archive.end + 1, last, before_ns):
            await run.take(batch)
            progress(batch[-1].sequence, last)
        if run.records:
            await run.finish()
    finally:
        run.close()
    if run.sealed and unfinished is not None:
        unfinished.path.unlink()
        sync_directory(directory)
    return run


async def _settled(network: Network, start: int, last: int, before_ns: int) -> AsyncIterator[list[Record]]:
    """Yield the ledger's entries between two sequences, in order, up to the first that was stored after `before_ns`."""
    is_over = False
    async for batch in record_reader.records(network, start, last):
        settled = [] if is_over else list(itertools.takewhile(lambda record: record.stored_at_ns <= before_ns, batch))
        is_over = is_over or len(settled) < len(batch)
        if settled:
            yield settled
