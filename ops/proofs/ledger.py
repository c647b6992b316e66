"""Verifying a ledger from its archive and its stream: reading, progress, and what only the two together show."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from bus.errors import SanctuaryError
from bus.ledger import extent, first_sequence
from bus.network import Network
from bus.records import Record
from ops.archive.directory import Archive
from ops.archive.segment import SegmentDamaged
from ops.archive.source import Source
from ops.proofs.copies import Copies
from ops.proofs.problems import Problem
from ops.proofs.signers import Claimed, Signers, SignersReport, verified
from ops.proofs.verification import Report, Verifier

THREADS = min(8, os.cpu_count() or 1)
"""How many signatures are verified at once."""

Progress = Callable[[int, int], None]
"""Hears which entry was reached, and which is the last one."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it."""

    report: Report
    signers: SignersReport
    problems: tuple[Problem, ...]
    """All that is wrong, by the entries that it is about; what is about none comes last."""

    @property
    def holds(self) -> bool:
        """Whether the ledger is what was signed, and there was something signed."""
        return self.report.checkpoints > 0 and not self.problems


async def verify_ledger(
    network: Network | None, archive: Archive, verifier: Verifier, signers: Signers, progress: Progress
) -> Outcome:
    """Read the whole ledger, archive and stream, as far as it goes now, and return what came of it.

    Without a network it is read as far as it is archived, and what was signed of the rest is not missed.

    Raises:
        SanctuaryError, OSError: it could not be read, or entries left the stream meanwhile.
    """
    stream_first, stream_last = (1, 0) if network is None else await extent(network)
    missing = (archive.end + 1, stream_first - 1) if stream_last and stream_first > archive.end + 1 else None
    source = Source(network, archive, missing=missing)
    last = max(archive.end, stream_last)
    found: list[Problem] = []
    if missing is not None:
        found.append(_missing(*missing))
    if stream_last and stream_last < archive.end:
        found.append(_rolled_back(stream_last, archive.end))
    copies = Copies(network, stream_first, min(archive.end, stream_last)) if network is not None else None
    cut = await _read(source, verifier, signers, copies, progress, last=last)
    if cut is not None:
        found.append(cut)
    if copies is not None and copies.problem is not None:
        found.append(copies.problem)
    report = verifier.finish(last if cut is None else verifier.reached, complete=cut is None and network is not None)
    told = signers.report()
    problems = sorted((*report.problems, *told.problems, *found), key=lambda each: each.sequence or last + 1)
    if problems and network is not None and await first_sequence(network) != stream_first:
        raise SanctuaryError("entries were taken out of the stream while it was read; run this again once that is over")
    return Outcome(report, told, tuple(problems))


async def _read(
    source: Source,
    verifier: Verifier,
    signers: Signers,
    copies: Copies | None,
    progress: Progress,
    *,
    last: int,
) -> Problem | None:
    """Feed the verifiers; returns what is wrong with the archive where it can be read no further."""
    archived = source.archive.end
    async with _Judges(signers) as judges, AsyncExitStack() as stack:
        if copies is not None:
            stack.push_async_callback(copies.close)
        try:
            async for batch in source.records(1, last):
                await judges.feed(batch)
                if copies is not None and batch[0].sequence <= archived:
                    await copies.compare(batch)
                if source.missing is not None and batch[0].sequence > source.missing[1]:
                    verifier.pass_over(source.missing[1])
                verifier.feed(batch)
                progress(batch[-1].sequence, last)
        except SegmentDamaged as error:
            return Problem(kind="archive", sequence=verifier.reached + 1, message=error.message)
        if copies is not None and archived:
            await copies.finish()
    return None


class _Judges:
    """Verifies results' signatures in threads: a signature takes longer than all else that is done with an entry."""

    def __init__(self, signers: Signers) -> None:
        self._signers = signers
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: deque[tuple[list[Claimed], asyncio.Future[list[bool]]]] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._waiting and kind is None:
            await self._take()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def feed(self, records: Sequence[Record]) -> None:
        """Take in entries; returns once there is room for more."""
        if claimed := self._signers.claimed(records):
            job = asyncio.get_running_loop().run_in_executor(self._pool, verified, claimed)
            self._waiting.append((claimed, job))
        while len(self._waiting) > 2 * THREADS:
            await self._take()

    async def _take(self) -> None:
        claimed, job = self._waiting.popleft()
        self._signers.take(claimed, await job)


def _missing(first: int, last: int) -> Problem:
    return Problem(
        kind="deleted",
        sequence=first,
        last=last,
        message=f"the entries #{first} to #{last} are in neither the stream nor the archive: they were deleted, or the archive is "
        "elsewhere (--archive)",
    )


def _rolled_back(stream_last: int, archived: int) -> Problem:
    return Problem(
        kind="rolled_back",
        sequence=stream_last + 1,
        last=archived,
        message=f"the stream was rolled back: it ends with #{stream_last}, and the archive has entries up to #{archived}",
    )
