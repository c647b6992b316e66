"""A directory of segments: what stands there, checked to be one unbroken piece of one realm's ledger, and read as such."""

import contextlib
import fcntl
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bus.errors import SanctuaryError
from bus.records import Record, decode_record
from ops.archive.blocks import Place, encodings
from ops.archive.segment import SUFFIX, Segment, batches, damaged, open_segment, raw_blocks, verify

_LOCK = "archive.lock"


class ArchiveWrong(SanctuaryError):
    """An archive's segments do not make up the beginning of one ledger; the message names the files and says what to do."""


class Archive:
    """The beginning of a realm's ledger, in segments. Made by `open_archive`; `segments` may be empty."""

    def __init__(
        self, directory: Path | None, realm: str, segments: Sequence[Segment], replaced: Sequence[Path]
    ) -> None:
        self.directory = directory
        """None: there is none, and so no segment."""
        self.realm = realm
        self.segments = tuple(segments)
        """One behind the other, from the ledger's first sequence on."""
        self.replaced = tuple(replaced)
        """Files whose place a fuller one has taken, which an interrupted run has left."""
        self._starts = [segment.start for segment in self.segments]

    @property
    def end(self) -> int:
        """The last sequence that is archived; 0: none is."""
        return self.segments[-1].end if self.segments else 0

    def current(self) -> "Archive":
        """Return the archive as it stands now; raises as `open_archive`."""
        if self.directory is None:
            return self
        known = {*self.replaced, *(segment.path for segment in self.segments)}
        return self if known == set(_files(self.directory)) else open_archive(self.directory, self.realm)

    def at(self, sequence: int) -> Segment | None:
        """Return the segment that covers a sequence, or None where it is not archived."""
        if not 0 < sequence <= self.end:
            return None
        return self.segments[bisect_left(self._starts, sequence + 1) - 1]

    def batches(self, start: int = 1, end: int | None = None) -> Iterator[list[Record]]:
        """Yield the archived records between two sequences in order, a block at a time.

        Raises:
            SegmentDamaged: a segment is not what was sealed.
            OSError: it cannot be read.
        """
        for segment in self.segments:
            if segment.end >= start and (end is None or segment.start <= end):
                yield from batches(segment, start, end)

    def record(self, sequence: int) -> Record | None:
        """Return the archived entry `sequence`, or None where there is none; raises as `batches`."""
        found = self.block_with(sequence)
        if found is None:
            return None
        number = sequence.to_bytes(8, "big")
        return next(iter(self.block(*found, lambda encoded: encoded.startswith(number))), None)

    def last_record(self) -> Record | None:
        """Return the newest archived record; raises as `batches`."""
        return self.record(self.segments[-1].blocks[-1].last) if self.segments else None

    def block_with(self, sequence: int) -> tuple[Segment, Place] | None:
        """Return the block in which the entry `sequence` stands where it is archived."""
        segment = self.at(sequence)
        if segment is None:
            return None
        number = bisect_left(segment.blocks, sequence, key=lambda block: block.last)
        if number == len(segment.blocks) or segment.blocks[number].first > sequence:
            return None
        return segment, segment.blocks[number]

    def block(self, segment: Segment, place: Place, wanted: Callable[[bytes], bool] = lambda _: True) -> list[Record]:
        """Return those records of one block whose canonical bytes are `wanted`; raises as `batches`."""
        for _, raw in raw_blocks(segment, place.first, place.last):
            try:
                return [decode_record(encoded) for encoded in encodings(raw) if wanted(encoded)]
            except ValueError as error:
                raise damaged(segment.path, str(error)) from None
        raise damaged(segment.path, "a block is not where the footer says")

    def first_at(self, at_ns: int) -> int | None:
        """Return the sequence of the first record stored at `at_ns` (nanoseconds since 1970) or later; None: none is archived."""
        for segment in self.segments:
            for place in segment.blocks:
                if place.latest_ns >= at_ns:
                    for record in self.block(segment, place):
                        if record.stored_at_ns >= at_ns:
                            return record.sequence
        return None

    def verify(self) -> Iterator[Segment]:
        """Read every byte, and yield each segment that is as it was sealed; raises as `ops.archive.segment.verify`."""
        for segment in self.segments:
            verify(segment)
            yield segment


def open_archive(directory: Path, realm: str) -> Archive:
    """Return the archive in a directory; an empty one where nothing stands there, or no directory.

    Raises:
        ArchiveWrong: a segment is missing, two overlap, or one is of another realm.
        SegmentDamaged: one is not what was sealed.
        OSError: it cannot be read.
    """
    found: list[Segment] = []
    replaced: list[Path] = []
    for path in _files(directory):
        if (segment := _opened(path)) is not None:
            _check_realm(segment, realm)
            if found and found[-1].start == segment.start:
                # Names sort by their ends then: the fuller one comes last.
                replaced.append(found.pop().path)
            _check_follows(directory, found[-1] if found else None, segment)
            found.append(segment)
    return Archive(directory, realm, found, replaced)


def _files(directory: Path) -> list[Path]:
    """Return the segment files in a directory, in the order of what they cover."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def _opened(path: Path) -> Segment | None:
    try:
        return open_segment(path)
    except FileNotFoundError:
        return None  # a run at the same time has put a fuller one in its place


def _check_realm(segment: Segment, realm: str) -> None:
    if segment.realm != realm:
        raise ArchiveWrong(
            f"{segment.path} is of the realm {segment.realm!r}, not of {realm!r}: keep each realm's archive in a directory of "
            "its own (--archive), or name that realm (--realm)"
        )


def _check_follows(directory: Path, before: Segment | None, segment: Segment) -> None:
    due = 1 if before is None else before.end + 1
    if segment.start > due:
        raise ArchiveWrong(
            f"the archive {directory} lacks the entries {due} to {segment.start - 1}, which stand before those of "
            f"{segment.path.name}: put the missing segment files back"
        )
    if before is not None and segment.start < due:
        raise ArchiveWrong(
            f"in the archive {directory}, {before.path.name} and {segment.path.name} overlap: they are not of one ledger, or were "
            "put together from two archives. Keep those of one of them"
        )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep others from writing into an archive, which is made where there is none; only its owner can read it.

    Raises:
        SanctuaryError: somebody writes there now.
        OSError: it cannot be made or written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SanctuaryError(f"another `sanctuary audit archive` is at work in {directory}") from None
        yield
    finally:
        os.close(descriptor)
