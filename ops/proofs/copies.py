"""What the stream still has of what is archived, held against the archive.

That the stream has less is as it should be: what is archived may leave it, and a server that is killed then may have some of it again.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence

from bus.network import Network
from bus.record_reader import records
from bus.records import Record
from ops.proofs.problems import Problem


class Copies:
    """Reads the stream beside the archive, so that neither is read twice. Close it in the end."""

    def __init__(self, network: Network, first: int, last: int) -> None:
        """Take the stream's first entry, and the last one that is archived."""
        self._first = first
        self._last = last
        self._batches: AsyncGenerator[list[Record], None] = records(network, first, last)
        self._ahead: list[Record] = []
        self._is_read = False
        self.problem: Problem | None = None
        """Where the two differ first; None: nowhere so far."""

    async def close(self) -> None:
        """Read no further."""
        await self._batches.aclose()

    async def compare(self, archived: Sequence[Record]) -> None:
        """Take in what follows in the archive.

        Raises:
            SanctuaryError: the stream cannot be read.
        """
        end = archived[-1].sequence
        if self.problem is not None or end < self._first:
            return
        streamed = await self._up_to(end)
        start = bisect_right(archived, self._first - 1, key=_sequence)
        stop = bisect_right(archived, self._last, key=_sequence)
        if streamed != list(archived[start:stop]):
            self.problem = _first_difference(streamed, archived[start:stop])

    async def finish(self) -> None:
        """Take in that nothing follows in the archive; raises as `compare`."""
        if self.problem is None and (more := await self._up_to(self._last)):
            self.problem = _first_difference(more, ())

    async def _up_to(self, end: int) -> list[Record]:
        while not self._is_read and (not self._ahead or self._ahead[-1].sequence < end):
            batch = await anext(self._batches, None)
            self._is_read = batch is None
            self._ahead += batch or ()
        count = bisect_right(self._ahead, end, key=_sequence)
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found


def _sequence(record: Record) -> int:
    return record.sequence


def _first_difference(streamed: Sequence[Record], archived: Sequence[Record]) -> Problem | None:
    """Return what is wrong with the first entry that the stream has and the archive has not, or has otherwise."""
    kept = {each.sequence: each for each in archived}
    for record in streamed:
        sequence = record.sequence
        if sequence not in kept:
            return Problem(
                kind="inserted",
                sequence=sequence,
                message=f"entry #{sequence} is in the stream, and the archive of that time has none",
            )
        if record != kept[sequence]:
            return Problem(
                kind="altered",
                sequence=sequence,
                message=f"entry #{sequence} is another one in the stream than in the archive",
            )
    return None
