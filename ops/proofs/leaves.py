"""The notary's file of leaves: the hash of each entry that was signed, 32 bytes each, the entry number 1 first.

It makes proofs quick and names single entries. It is no evidence by itself: it counts where its tree is one that was signed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.merkle import HASH_BYTES, Frontier

_READ_LEAVES = 32_768


class Leaves:
    """The file, open for reading; use as a context manager. What is appended meanwhile is not seen, nor is a torn last leaf."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it cannot be read.
        """
        self.path = path
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size // HASH_BYTES
        """How many leaves there are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the leaves [start, end), one behind the other, as far as there are."""
        wanted = (min(end, self.size) - start) * HASH_BYTES
        parts = []
        while wanted > 0 and (part := os.pread(self._file.fileno(), wanted, start * HASH_BYTES)):
            parts.append(part)
            start += len(part) // HASH_BYTES
            wanted -= len(part)
        return b"".join(parts)

    def root(self, start: int, end: int) -> bytes:
        """Return the root of the tree over the leaves [start, end); proofs are made of these (`bus.merkle.Root`).

        Raises:
            ValueError: the file does not reach as far.
        """
        if end > self.size:
            raise ValueError(f"{self.path} holds {self.size} leaves, not {end}")
        tree = Frontier()
        for place in range(start, end, _READ_LEAVES):
            tree.extend(split(self.read(place, min(place + _READ_LEAVES, end))))
        return tree.root()


def split(leaves: bytes) -> Iterator[bytes]:
    """Yield the leaves that stand one behind the other."""
    return (leaves[place : place + HASH_BYTES] for place in range(0, len(leaves), HASH_BYTES))
