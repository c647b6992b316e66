"""Writing a segment: into a file beside its place, made durable, and only then under its name."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bus.merkle import Frontier
from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.archive.blocks import BLOCK_BYTES, Place, packed
from ops.archive.segment import MAGIC, TRAILER, Footer, Header, Segment, end_behind, file_name, open_segment

TEMPORARY = ".partial"
"""How the name of a file ends that is not sealed yet."""


class SegmentWriter:
    """Writes one segment. Holds a block in memory; a file that is not sealed is of no use, and `discard` removes it."""

    def __init__(self, directory: Path, realm: str, start: int) -> None:
        """Begin with the sequence `start`.

        Raises:
            OSError: the file cannot be written.
        """
        self.start = start
        self.count = 0
        self.raw_bytes = 0
        self.last = start - 1
        """The sequence of the newest record."""
        self._directory = directory
        self._path = directory / f"{start:020}{TEMPORARY}"
        self._file = os.fdopen(os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb")
        self._digest = hashlib.sha256()
        self._tree = Frontier()
        self._offset = 0
        self._places: list[Place] = []
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._first = self._earliest = self._latest = 0
        header = msgspec.json.encode(Header(realm, start))
        self._write(MAGIC + len(header).to_bytes(4, "big") + header)

    @property
    def end(self) -> int:
        """Where the segment ends at the latest, given what it holds."""
        return end_behind(max(self.last, self.start), self.raw_bytes)

    def add(self, records: Iterable[Record]) -> None:
        """Add records, which follow one another and lie within `end`; raises OSError where the disk refuses."""
        for record in records:
            encoded = encode_record(record)
            self._tree.extend(map(gap_leaf, range(self.last + 1, record.sequence)))
            self._tree.append(leaf_hash(encoded))
            if not self._block:
                self._first, self._earliest, self._latest = record.sequence, record.stored_at_ns, record.stored_at_ns
            self._block.append(encoded)
            self._block_bytes += len(encoded)
            self._earliest = min(self._earliest, record.stored_at_ns)
            self._latest = max(self._latest, record.stored_at_ns)
            self.count += 1
            self.raw_bytes += len(encoded)
            self.last = record.sequence
            if self._block_bytes >= BLOCK_BYTES:
                self._close_block()

    def seal(self, end: int) -> Segment:
        """Make the segment durable, covering all sequences up to `end`, and return it."""
        if self._block:
            self._close_block()
        self._tree.extend(map(gap_leaf, range(self.last + 1, end + 1)))
        root = self._tree.root().hex()
        footer = msgspec.json.encode(Footer(end, self.count, self.raw_bytes, root, tuple(self._places)))
        offset = self._offset
        self._write(footer)
        trailer = TRAILER.pack(offset, hashlib.sha256(footer).digest(), bytes(32))
        self._write(trailer[:-32])
        self._file.write(self._digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        path = self._directory / file_name(self.start, end)
        self._path.rename(path)
        sync_directory(self._directory)
        return open_segment(path)

    def discard(self) -> None:
        """Remove what is not sealed."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _close_block(self) -> None:
        stored = packed(b"".join(self._block))
        self._places.append(
            Place(
                self._offset,
                len(stored),
                self._block_bytes,
                len(self._block),
                self._first,
                self.last,
                self._earliest,
                self._latest,
            )
        )
        self._write(stored)
        self._block, self._block_bytes = [], 0

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._offset += len(data)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
