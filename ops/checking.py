"""The whole ledger, archive and stream, held against what it must hold: the rules that Omega applies to what has just settled."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bus.jetstream import StoredMessage
from bus.records import as_message
from clones.completeness.books import Books
from clones.completeness.findings import Finding
from clones.completeness.looking import Looking
from clones.completeness.reading import Present, lost, routes_unknown, tree_size
from ops.archive.source import Source
from schemas import WorkflowInForce

LOOK_EACH = 1000
"""After so many entries, what is doubtful is looked up."""


@dataclass(frozen=True, slots=True)
class CheckedLedger:
    """What a check came to."""

    first: int
    """The first entry that was there to be checked; 0: there was none."""
    last: int
    entries: int
    open: int
    """Tasks, runs, commands and escalations that have not ended."""
    findings: list[Finding]
    missing: tuple[int, int] | None
    """The first and the last sequence of what is in neither the stream nor the archive; None: nothing is."""


class _Whole:
    """As Look: the ledger as if all of it were still in the stream; without a server, as far as it is archived."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._present = None if source.network is None else Present(source.network)

    async def entry(self, sequence: int) -> StoredMessage | None:
        """As of Look."""
        if self._present is not None and sequence > self._source.archive.end:
            return await self._present.entry(sequence)
        record = await self._source.entry(sequence)
        return None if record is None else as_message(record)

    async def first_result(self, task_type: str, task_id: str) -> StoredMessage | None:
        """As of Look."""
        async for message in self._source.matching([self._source.subjects.result(task_type, task_id)]):
            return message
        return None

    async def definition(self, name: str, version: int) -> WorkflowInForce | None:
        """As of Look: definitions are with the server alone."""
        return None if self._present is None else await self._present.definition(name, version)

    async def begins(self) -> int:
        """As of Look."""
        return 1 if self._present is None or self._source.archive.end else await self._present.begins()

    async def signed(self) -> int | None:
        """As of Look."""
        if self._present is not None:
            return await self._present.signed()
        async for message in self._source.newest_first([self._source.subjects.every("checkpoint")]):
            return tree_size(message.data)
        return None

    async def now(self) -> datetime:
        """As of Look; without a server, this machine's time."""
        return datetime.now(UTC) if self._present is None else await self._present.now()


async def check(source: Source, progress: Callable[[int, int], None]) -> CheckedLedger:
    """Check all entries; `progress` hears how many of how many are read. Memory holds what has not ended.

    Without a server it is not known what has left its queue, which routes are in force, and which workflows were run: runs are
    not judged then.

    Raises:
        SanctuaryError, OSError: stream or archive could not be read.
    """
    last = await source.last_sequence()
    books, look = Books(source.subjects), _Whole(source)
    looking, findings = Looking(source.subjects, look), list[Finding]()
    first = unlooked = 0
    if last:
        async for batch in source.records(1, last):
            first = first or batch[0].sequence
            for record in batch:
                books.take(as_message(record))
            unlooked += len(batch)
            if unlooked >= LOOK_EACH:
                findings += await looking.clear(books)
                progress(books.last, last)
                unlooked = 0
    findings += await looking.clear(books)
    if source.network is not None:
        findings += await lost(source.network, books, datetime.now(UTC))
        findings += await routes_unknown(source.network, look)
    return CheckedLedger(first, books.last, books.entries, len(books.open), findings, source.missing)
