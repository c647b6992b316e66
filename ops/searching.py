"""Searching the ledger: what a filter lets through, oldest or newest first, in bounded memory whatever the ledger's length."""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

from bus.records import Record, as_message
from ops.archive.source import Source
from ops.entries import Entry, read_entry
from ops.filters import Filter

WINDOW = 1024
"""Sequences that are read at once when reading newest first; each window is twice as long as the one before."""
LARGEST_WINDOW = 65_536
KEPT_BYTES = 32 * 1024 * 1024
"""How much of one window's finds is kept in memory."""


class Stretch(NamedTuple):
    """A range of the ledger's sequences."""

    first: int
    last: int
    """Below `first`: there is nothing."""

    @property
    def length(self) -> int:
        """How many sequences these are."""
        return max(0, self.last - self.first + 1)


Looked = Callable[[int], None]
"""Hears how many entries of its stretch the search has looked at; sequences that the ledger does not hold count."""


def _nobody(count: int) -> None:
    """Nobody wants to know how far the search is."""


async def stretch(source: Source, wanted: Filter, start: int = 1) -> Stretch:
    """Return where entries lie that a filter may want, by the times that it names, from the sequence `start` on.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    last = await source.last_sequence()
    first = start if wanted.since is None else max(start, await source.first_at(wanted.since))
    if wanted.until is not None:
        last = min(last, await source.first_at(wanted.until) - 1)
    return Stretch(first, last)


async def oldest_first(
    source: Source, wanted: Filter, where: Stretch, looked: Looked = _nobody
) -> AsyncGenerator[Entry, None]:
    """Yield the entries of a stretch that are wanted, in the ledger's order.

    Whoever stops before the end closes it (`contextlib.aclosing`).

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    if not where.length:
        return
    async with aclosing(source.records(where.first, where.last)) as batches:
        async for batch in batches:
            for record in batch:
                entry = found_in(source, wanted, record)
                if entry is not None:
                    looked(record.sequence - where.first + 1)
                    yield entry
            looked(batch[-1].sequence - where.first + 1)
    looked(where.length)


async def newest_first(
    source: Source, wanted: Filter, where: Stretch, looked: Looked = _nobody
) -> AsyncGenerator[Entry, None]:
    """Yield the entries of a stretch that are wanted, newest first; raises as `oldest_first`."""
    end, window = where.last, WINDOW
    while end >= where.first:
        begin = max(where.first, end - window + 1)
        kept: deque[Entry] = deque()
        kept_bytes = 0
        async with aclosing(source.records(begin, end)) as batches:
            async for batch in batches:
                for record in batch:
                    entry = found_in(source, wanted, record)
                    if entry is None:
                        continue
                    kept.append(entry)
                    kept_bytes += len(entry.data)
                    while kept_bytes > KEPT_BYTES and len(kept) > 1:
                        kept_bytes -= len(kept.popleft().data)
                        # What is older is read again, with the next window.
                        begin = kept[0].sequence or begin
        looked(where.last - begin + 1)
        while kept:
            yield kept.pop()
        end, window = begin - 1, min(LARGEST_WINDOW, window * 2)


def found_in(source: Source, wanted: Filter, record: Record) -> Entry | None:
    """Return the entry in a record where it is wanted; what its bytes rule out is not decoded."""
    if not wanted.may_match(record.subject, record.data, record.headers):
        return None
    entry = read_entry(source.subjects, as_message(record))
    return entry if wanted.matches(entry) else None
