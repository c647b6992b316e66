"""The trees that a log had a moment ago: a checkpoint stands in the ledger a little behind the tree that it is of. Pure."""

from collections import deque
from collections.abc import Sequence

import msgspec

from bus.merkle import EMPTY_ROOT, HASH_BYTES, Frontier
from ops.proofs.leaves import split


class _Stretch(msgspec.Struct, frozen=True):
    start: int
    nodes: tuple[bytes, ...]
    """Of the tree of `start` leaves."""
    leaves: bytes
    """Those that came then, one behind the other."""


class RecentTrees:
    """Gives the root of each tree that is no more than `kept` leaves smaller than the last; 32 bytes a leaf is what it takes."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._size = 0
        self._stretches: deque[_Stretch] = deque()

    def remember(self, before: Frontier, leaves: Sequence[bytes]) -> None:
        """Take in the leaves that follow on the tree `before`."""
        self._stretches.append(_Stretch(before.size, before.nodes, b"".join(leaves)))
        self._size = before.size + len(leaves)
        while len(self._stretches) > 1 and self._stretches[1].start <= self._size - self._kept:
            self._stretches.popleft()

    def root(self, size: int) -> bytes | None:
        """Return the root of the tree of `size` leaves, or None where that was too long ago, or is still to come."""
        if size == 0:
            return EMPTY_ROOT
        if size > self._size:
            return None
        for stretch in reversed(self._stretches):
            if stretch.start <= size:
                tree = Frontier(stretch.start, stretch.nodes)
                tree.extend(split(stretch.leaves[: (size - stretch.start) * HASH_BYTES]))
                return tree.root()
        return None
