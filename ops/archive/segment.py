"""Segment files: the ledger's entries of a range of sequences, sealed. Nobody changes one; a fuller one takes its place.

    "sanctuary-segment-1", newline | u32 length, header | blocks (`ops.archive.blocks`) | footer
    | u64 offset of the footer | SHA-256 of the footer | SHA-256 of all before it

Header and footer are JSON objects, integers big-endian. The footer names each block's place, and the root of the tree (RFC 6962)
over the leaves of the range, a gap's leaf for each sequence that the ledger did not hold (`bus.records`). So a segment verifies by
itself, and where it spans a whole window its root is a node of the tree that the notary signs.

Where one segment ends and the next begins follows from the entries alone (`is_full`), and nothing else is written into a file: who
archives the same entries gets the same bytes (with the same zlib; otherwise the same root).
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from bus.errors import SanctuaryError
from bus.merkle import Frontier
from bus.records import Record, gap_leaf, leaf_hash
from ops.archive.blocks import BlockDamaged, Place, decoded, encodings, unpacked

MAGIC = b"sanctuary-segment-1\n"
SUFFIX = ".segment"
WINDOW = 65_536
"""A segment ends with a multiple of this: what it covers then is a complete subtree of the ledger's tree."""
STRIDE = 1024
MOST_RAW_BYTES = 256 * 1024 * 1024
"""One that holds as much ends with the next multiple of `STRIDE`."""
TRAILER = struct.Struct(">Q32s32s")
_LENGTH = struct.Struct(">I")
_MOST_FOOTER_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1024 * 1024


class SegmentDamaged(SanctuaryError):
    """A segment file is not what was sealed; the message names the file and says what is wrong with it."""


class Header(msgspec.Struct, frozen=True):
    """What a segment is about."""

    realm: str
    start: int
    """The first sequence that it covers, whether or not the ledger held it."""


class Footer(msgspec.Struct, frozen=True):
    """What was written, told at its end."""

    end: int
    """The last sequence that it covers."""
    count: int
    """How many records it has."""
    raw_bytes: int
    """Of the records' canonical bytes."""
    root: str
    """Of the tree over the leaves from `start` to `end`, in hex."""
    blocks: tuple[Place, ...]


class Segment(msgspec.Struct, frozen=True):
    """A sealed segment. Made by `open_segment`, which has looked at its ends; `verified` reads all of it."""

    path: Path
    realm: str
    start: int
    end: int
    count: int
    raw_bytes: int
    root: bytes
    digest: bytes
    """SHA-256 of the file up to this."""
    blocks: tuple[Place, ...]
    stored_bytes: int
    """The file's length."""

    @property
    def is_full(self) -> bool:
        """Tell whether it keeps its end for ever; one that does not is written anew with what follows."""
        return is_full(self.end, self.raw_bytes)

    @property
    def earliest_ns(self) -> int:
        """The earliest time of storing, in nanoseconds since 1970."""
        return min(block.earliest_ns for block in self.blocks)

    @property
    def latest_ns(self) -> int:
        """The latest time of storing."""
        return max(block.latest_ns for block in self.blocks)


def is_full(end: int, raw_bytes: int) -> bool:
    """Tell whether a segment ends with the sequence `end` for good."""
    return end % WINDOW == 0 or (end % STRIDE == 0 and raw_bytes >= MOST_RAW_BYTES)


def end_behind(last: int, raw_bytes: int) -> int:
    """Return where a segment ends at the latest whose newest record has the sequence `last`."""
    unit = STRIDE if raw_bytes >= MOST_RAW_BYTES else WINDOW
    return -(-last // unit) * unit


def file_name(start: int, end: int) -> str:
    """Return the name of the file for a range; names sort as ranges do."""
    return f"{start:020}-{end:020}{SUFFIX}"


def open_segment(path: Path) -> Segment:
    """Return what a segment file says of itself.

    Raises:
        SegmentDamaged: it is cut short, or its ends are not what was written.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _opened(path, file)
        except (msgspec.DecodeError, struct.error, ValueError) as error:
            raise damaged(path, str(error)) from None


def damaged(path: Path, what: str) -> SegmentDamaged:
    """Return the error for a file of which `what` is wrong."""
    return SegmentDamaged(
        f"the archive's segment {path} is damaged: {what}. Put a copy of the file in its place; where the ledger still holds its "
        "entries, remove the file and run `sanctuary audit archive`"
    )


def _opened(path: Path, file: IO[bytes]) -> Segment:
    if file.read(len(MAGIC)) != MAGIC:
        raise damaged(path, "it does not begin as a segment does")
    header = msgspec.json.decode(_exactly(file, *_LENGTH.unpack(file.read(_LENGTH.size))), type=Header)
    first_block = file.tell()
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - TRAILER.size))
    offset, footer_digest, digest = TRAILER.unpack(file.read())
    length = size - TRAILER.size - offset
    if not first_block <= offset or not 0 < length <= _MOST_FOOTER_BYTES:
        raise damaged(path, "it is cut short")
    file.seek(offset)
    raw = _exactly(file, length)
    if hashlib.sha256(raw).digest() != footer_digest:
        raise damaged(path, "its footer is not the one that was written")
    footer = msgspec.json.decode(raw, type=Footer)
    _check_shape(path, header, footer, first_block, offset)
    return Segment(
        path,
        header.realm,
        header.start,
        footer.end,
        footer.count,
        footer.raw_bytes,
        bytes.fromhex(footer.root),
        digest,
        footer.blocks,
        size,
    )


def _check_shape(path: Path, header: Header, footer: Footer, first_block: int, footer_at: int) -> None:
    """Refuse a footer that does not describe this file: its blocks lie one behind the other, and so do their sequences."""
    at, following = first_block, header.start
    for block in footer.blocks:
        is_empty = min(block.count, block.stored_bytes, block.raw_bytes) < 1
        if block.offset != at or is_empty or not following <= block.first <= block.last <= footer.end:
            raise damaged(path, "its footer contradicts itself")
        at, following = at + block.stored_bytes, block.last + 1
    told = sum(block.count for block in footer.blocks), sum(block.raw_bytes for block in footer.blocks)
    if at != footer_at or not footer.blocks or told != (footer.count, footer.raw_bytes):
        raise damaged(path, "its footer contradicts itself")
    if path.name != file_name(header.start, footer.end):
        raise damaged(path, f"it covers the entries {header.start} to {footer.end}, and is not named so")


def raw_blocks(segment: Segment, start: int = 1, end: int | None = None) -> Iterator[tuple[Place, bytes]]:
    """Yield the blocks that hold records between two sequences, each unpacked.

    Raises:
        SegmentDamaged: one is not what was written.
        OSError: the file cannot be read.
    """
    with segment.path.open("rb") as file:
        for place in segment.blocks:
            if place.last >= start and (end is None or place.first <= end):
                file.seek(place.offset)
                try:
                    yield place, unpacked(_exactly(file, place.stored_bytes), place)
                except BlockDamaged as error:
                    raise damaged(segment.path, f"{error} - at byte {place.offset:,}") from None


def batches(segment: Segment, start: int = 1, end: int | None = None) -> Iterator[list[Record]]:
    """Yield the records between two sequences in order, a block at a time; raises as `raw_blocks`."""
    for place, raw in raw_blocks(segment, start, end):
        records = _decoded(segment, raw)
        if place.first < start or (end is not None and place.last > end):
            records = [each for each in records if start <= each.sequence and (end is None or each.sequence <= end)]
        if records:
            yield records


def _decoded(segment: Segment, raw: bytes) -> list[Record]:
    try:
        return decoded(raw)
    except ValueError as error:
        raise damaged(segment.path, str(error)) from None


def leaves(segment: Segment) -> Iterator[list[bytes]]:
    """Yield the hashes of the leaves from the segment's first sequence to its last, gaps among them; raises as `raw_blocks`."""
    following = segment.start
    for _, raw in raw_blocks(segment):
        found: list[bytes] = []
        try:
            for encoded in encodings(raw):
                sequence = int.from_bytes(encoded[:8], "big")
                if sequence != following:
                    if not following <= sequence <= segment.end:
                        raise damaged(segment.path, f"the entry {sequence} stands where {following} belongs")
                    found += map(gap_leaf, range(following, sequence))
                found.append(leaf_hash(encoded))
                following = sequence + 1
        except BlockDamaged as error:
            raise damaged(segment.path, str(error)) from None
        yield found
    yield [gap_leaf(sequence) for sequence in range(following, segment.end + 1)]


def verify(segment: Segment) -> None:
    """Read all of a segment, and return where every byte is as it was sealed.

    Raises:
        SegmentDamaged: it is not.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    left = segment.stored_bytes - hashlib.sha256().digest_size
    with segment.path.open("rb") as file:
        while left and (part := file.read(min(left, _READ_BYTES))):
            digest.update(part)
            left -= len(part)
    if digest.digest() != segment.digest:
        raise damaged(segment.path, "its bytes are not those that were written")
    tree = Frontier()
    for hashes in leaves(segment):
        tree.extend(hashes)
    if tree.root() != segment.root:
        raise damaged(segment.path, "its entries have another root than the one that it names")


def _exactly(file: IO[bytes], length: Any) -> bytes:
    data: bytes = file.read(length)
    if len(data) != length:
        raise struct.error("it is cut short")
    return data
