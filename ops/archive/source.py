"""The ledger as if all of it were still in the stream: what is archived is read from segments, the rest from the stream."""

import errno
import heapq
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bus import ledger, record_reader
from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage
from bus.network import Network
from bus.records import Record, as_message
from bus.subjects import Subjects
from ops.archive.directory import Archive, open_archive
from ops.archive.index import Index
from ops.archive.mentions import mention, subject_matches
from ops.connect import Where
from schemas import SEQUENCE_PREFIX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Source:
    """A realm's ledger, whole. Made by `open_source`. Without a network it ends where the archive does.

    What is archived is read from there alone, also where the stream still has it, or has it again: a server that was killed may
    bring back what was removed. All methods raise SegmentDamaged and OSError where the archive cannot be read, and as `bus.ledger`
    where the stream cannot.
    """

    def __init__(self, network: Network | None, archive: Archive, *, missing: tuple[int, int] | None = None) -> None:
        self.network = network
        self.archive = archive
        self.subjects = Subjects(archive.realm)
        self.missing = missing
        """The first and the last sequence of what is in neither: removed from the stream before it was archived. None: nothing is."""

    async def last_sequence(self) -> int:
        """Return the newest entry's sequence; 0: there is none."""
        return self.archive.end if self.network is None else await ledger.last_sequence(self.network)

    async def records(self, start: int = 1, end: int | None = None) -> AsyncGenerator[list[Record], None]:
        """Yield the entries from the sequence `start` up to `end`, or to the last there is now, in order, in batches.

        Whoever stops before the end closes it (`contextlib.aclosing`).
        """
        following = start
        while end is None or following <= end:
            # What a run at the same time has archived may be gone from the stream already.
            self._refresh()
            if following <= self.archive.end:
                archive = self.archive
                try:
                    for batch in archive.batches(following, end):
                        yield batch
                        following = batch[-1].sequence + 1
                    following = archive.end + 1
                except FileNotFoundError:
                    self._expect_change(archive)
            elif self.network is None:
                return
            else:
                async with aclosing(record_reader.records(self.network, following, end)) as batches:
                    async for batch in batches:
                        if batch[-1].sequence - following + 1 > len(batch):
                            self._refresh()
                            if following <= self.archive.end:
                                break  # what is not there was archived and purged while this was read
                        yield batch
                        following = batch[-1].sequence + 1
                    else:
                        return

    async def entry(self, sequence: int) -> Record | None:
        """Return the entry number `sequence`, or None where there is none."""
        self._refresh()
        if sequence <= self.archive.end or self.network is None:
            return self.archive.record(sequence)
        return await record_reader.record(self.network, sequence)

    async def matching(
        self, patterns: Sequence[str], *, start: int = 1, end: int | None = None
    ) -> AsyncIterator[StoredMessage]:
        """Yield the entries between two sequences on subjects that `patterns` take (wildcards as NATS has them), in order.

        Patterns must not overlap.
        """
        self._refresh()
        if start <= self.archive.end:
            for block in self._blocks_on(patterns, start, end):
                for message in self._matching_in(block, patterns):
                    if start <= message.sequence and (end is None or message.sequence <= end):
                        yield message
        if self.network is None or (end is not None and end <= self.archive.end):
            return
        first = max(start, self.archive.end + 1)
        async for message in _in_order([ledger.entries(self.network, each, start=first) for each in patterns]):
            if end is not None and message.sequence > end:
                return
            yield message

    async def newest_first(self, patterns: Sequence[str], *, before: int | None = None) -> AsyncIterator[StoredMessage]:
        """Yield the entries on subjects that `patterns` take, those below the sequence `before`, newest first."""
        self._refresh()
        end = await self.last_sequence() + 1 if before is None else before
        if self.network is not None:
            async for message in ledger.newest_first(self.network, patterns, before=end, least=self.archive.end + 1):
                yield message
        for block in reversed(self._blocks_on(patterns, 1, end - 1) if self.archive.end else []):
            for message in reversed(self._matching_in(block, patterns)):
                if message.sequence < end:
                    yield message

    def archived_about(self, ids: Collection[str]) -> list[StoredMessage]:
        """Return the archived entries about these tasks and workflows, and about what those asked for directly, in order."""
        self._refresh()
        wanted = set(ids)
        if not self.archive.end:
            return []
        with Index(self.archive) as index:
            blocks = index.about(wanted)
        digits = (each.removeprefix(SEQUENCE_PREFIX) for each in wanted if each.startswith(SEQUENCE_PREFIX))
        numbers = {int(each) for each in digits if each.isdecimal() and int(each) <= self.archive.end}
        blocks = sorted({*blocks, *(place[1].first for each in numbers if (place := self.archive.block_with(each)))})
        # What holds none of them as bytes is not decoded; JSON with escapes may hold any.
        told = [each.encode(errors="replace") for each in wanted] + [each.to_bytes(8, "big") for each in numbers]
        held = re.compile(b"|".join(map(re.escape, told))).search
        return [
            as_message(record)
            for block in blocks
            for record in self._block(block, lambda encoded: b"\\" in encoded or held(encoded) is not None)
            if record.sequence in numbers or not wanted.isdisjoint(mention(record).ids)
        ]

    async def first_at(self, at: datetime) -> int:
        """Return the sequence of the first entry that was stored at `at` or later, or the one that the next entry will have."""
        self._refresh()
        found = self.archive.first_at((at - _EPOCH) // timedelta(microseconds=1) * 1000)
        if found is not None or self.network is None:
            return self.archive.end + 1 if found is None else found
        after = await self.last_sequence() + 1
        async for message in ledger.entries(self.network, ">", start=at):
            if message.sequence > self.archive.end:
                return message.sequence
        return after

    def _refresh(self) -> None:
        """Take in what was archived since."""
        if self.network is not None:
            self.archive = self.archive.current()

    def _blocks_on(self, patterns: Sequence[str], start: int, end: int | None) -> list[int]:
        """Return the first sequences of the blocks that may hold what is wanted."""
        with Index(self.archive) as index:
            blocks = index.on([pattern.partition(".")[2] or pattern for pattern in patterns])
        return [
            block
            for block in blocks
            if (place := self.archive.block_with(block))
            and place[1].last >= start
            and (end is None or place[1].first <= end)
        ]

    def _block(self, first: int, wanted: Callable[[bytes], bool] = lambda _: True) -> list[Record]:
        """Return the records of a block whose canonical bytes are `wanted`."""
        archive = self.archive
        try:
            found = archive.block_with(first)
            return archive.block(*found, wanted) if found else []
        except FileNotFoundError:
            self._expect_change(archive)
            return self._block(first, wanted)

    def _expect_change(self, archive: Archive) -> None:
        """Go on with what has taken the place of a segment that is not there any more; raises FileNotFoundError where nothing has."""
        self.archive = archive.current()
        if self.archive is archive:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(archive.directory))

    def _matching_in(self, block: int, patterns: Sequence[str]) -> list[StoredMessage]:
        return [
            as_message(record)
            for record in self._block(block)
            if any(subject_matches(record.subject, pattern) for pattern in patterns)
        ]


async def _in_order(streams: Sequence[AsyncIterator[StoredMessage]]) -> AsyncIterator[StoredMessage]:
    """Yield the messages of several streams, each of which is in order, in order."""
    waiting: list[tuple[int, int, StoredMessage]] = []
    for number, stream in enumerate(streams):
        if (message := await anext(stream, None)) is not None:
            waiting.append((message.sequence, number, message))
    heapq.heapify(waiting)
    while waiting:
        _, number, message = waiting[0]
        yield message
        following = await anext(streams[number], None)
        if following is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (following.sequence, number, following))


def archive_directory(where: Where, named: Path | None) -> Path | None:
    """Return where the archive is: the directory that was named, else that of the local network; None: of a server elsewhere.

    Raises:
        SanctuaryError: what was named is not there.
        ConfigurationError: as of `Where.named`.
    """
    if named is not None:
        if not named.is_dir():
            raise SanctuaryError(
                f"there is no archive in {named}: `sanctuary audit archive --archive {named}` makes one"
            )
        return named
    return where.store / "archive" if where.store_named or where.named() is None else None


async def open_source(network: Network | None, directory: Path | None, realm: str) -> Source:
    """Return the ledger of `network` with what is archived in `directory`; None: without the one or the other.

    Raises:
        ArchiveWrong, SegmentDamaged: the archive cannot be used, or is of another ledger.
        SanctuaryError: the ledger does not answer.
    """
    archive = Archive(None, realm, (), ()) if directory is None else open_archive(directory, realm)
    if network is None:
        return Source(None, archive)
    first, last = await ledger.extent(network)
    await check_same(network, archive, last)
    missing = (archive.end + 1, first - 1) if last and first > archive.end + 1 else None
    return Source(network, archive, missing=missing)


async def check_same(network: Network, archive: Archive, last: int) -> None:
    """Return where the ledger, whose last sequence is `last`, may be the one that is archived.

    Raises:
        SanctuaryError: it is another one, or was rolled back; or it could not be read.
    """
    archived = archive.last_record()
    if archived is None:
        return
    if archive.end > last:
        raise SanctuaryError(
            f"the ledger {network.subjects.ledger} ends with the entry {last}, and {archive.directory} has entries up to "
            f"{archive.end}: the archive is of another network (--archive, --store), or the server's store was rolled back"
        )
    present = await record_reader.record(network, archived.sequence)
    if present is not None and present != archived:
        raise SanctuaryError(
            f"the entry {archived.sequence} of the ledger {network.subjects.ledger} is another one than in {archive.directory}: the "
            "archive is of another network (--archive, --store), or the one or the other was altered"
        )
