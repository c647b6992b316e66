"""The files in which nats-server keeps a stream's messages, read and written: what somebody with access to the disk can do.

Format: nats-server's filestore.go. A record, all integers little-endian:

    u32 length, the highest bit: has headers | u64 sequence | u64 time, ns | u16 length of the subject | subject
    | with headers: u32 their length, headers | payload | u64 HighwayHash-64 of sequence, time, subject, headers and payload

The hash's key is the SHA-256 of `<stream>-<block's number>`: it guards against a bad disk, not against people.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<IQQH")
_HAS_HEADERS = 1 << 31
_MASK = (1 << 64) - 1
_LOW = (1 << 32) - 1
_INIT0 = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
_INIT1 = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)


@dataclass(frozen=True)
class Stored:
    """One message as it lies on the disk."""

    sequence: int
    stored_at_ns: int
    subject: bytes
    headers: bytes
    data: bytes


def read_blocks(store: Path, stream: str) -> list[Stored]:
    """All messages of a stream of a stopped server, in order."""
    found: list[Stored] = []
    for path in _blocks(store, stream):
        raw, place = path.read_bytes(), 0
        while place < len(raw):
            length, sequence, at_ns, subject_length = _HEAD.unpack_from(raw, place)
            end = place + (length & ~_HAS_HEADERS)
            at = place + _HEAD.size
            subject, at = raw[at : at + subject_length], at + subject_length
            headers = b""
            if length & _HAS_HEADERS:
                (headers_length,) = struct.unpack_from("<I", raw, at)
                headers, at = raw[at + 4 : at + 4 + headers_length], at + 4 + headers_length
            message = Stored(sequence, at_ns, subject, headers, raw[at : end - 8])
            assert _record(message, _key(stream, _number(path))) == raw[place:end], "not the format that is known here"
            found.append(message)
            place = end
    return found


def write_blocks(store: Path, stream: str, messages: Sequence[Stored]) -> None:
    """Have a stopped server's stream hold these messages, in one block, as if it had stored them itself."""
    paths = _blocks(store, stream)
    directory, first = paths[0].parent, _number(paths[0])
    for path in paths:
        path.unlink()
    # What the server remembers of the blocks it makes out from them again.
    for name in ("index.db", "tombstone"):
        (directory / name).unlink(missing_ok=True)
    key = _key(stream, first)
    (directory / f"{first}.blk").write_bytes(b"".join(_record(message, key) for message in messages))


def tamper(store: Path, stream: str, change: Callable[[list[Stored]], Iterable[Stored]]) -> None:
    """Change what a stopped server's stream holds."""
    write_blocks(store, stream, list(change(read_blocks(store, stream))))


def _blocks(store: Path, stream: str) -> list[Path]:
    (directory,) = store.rglob(f"streams/{stream}/msgs")
    return sorted(directory.glob("*.blk"), key=_number)


def _number(path: Path) -> int:
    match = re.fullmatch(r"(\d+)\.blk", path.name)
    assert match is not None
    return int(match[1])


def _key(stream: str, block: int) -> bytes:
    return hashlib.sha256(f"{stream}-{block}".encode()).digest()


def _record(message: Stored, key: bytes) -> bytes:
    headers = struct.pack("<I", len(message.headers)) + message.headers if message.headers else b""
    length = _HEAD.size + len(message.subject) + len(headers) + len(message.data) + 8
    flagged = length | (_HAS_HEADERS if headers else 0)
    head = _HEAD.pack(flagged, message.sequence, message.stored_at_ns, len(message.subject))
    checksum = highway_hash(key, head[4:20] + message.subject + message.headers + message.data)
    return head + message.subject + headers + message.data + struct.pack("<Q", checksum)


def highway_hash(key: bytes, data: bytes) -> int:
    """HighwayHash-64 (https://github.com/google/highwayhash, the reference in C)."""
    state = _State(struct.unpack("<4Q", key))
    whole = len(data) // 32 * 32
    for place in range(0, whole, 32):
        state.update(struct.unpack_from("<4Q", data, place))
    if rest := data[whole:]:
        state.update_rest(rest)
    return state.finish()


class _State:
    def __init__(self, key: Sequence[int]) -> None:
        self.mul0, self.mul1 = list(_INIT0), list(_INIT1)
        self.v0 = [init ^ part for init, part in zip(_INIT0, key, strict=True)]
        self.v1 = [init ^ _rotated(part, 32) for init, part in zip(_INIT1, key, strict=True)]

    def update(self, lanes: Sequence[int]) -> None:
        v0, v1, mul0, mul1 = self.v0, self.v1, self.mul0, self.mul1
        for i in range(4):
            v1[i] = (v1[i] + lanes[i] + mul0[i]) & _MASK
            mul0[i] ^= (v1[i] & _LOW) * (v0[i] >> 32)
            v0[i] = (v0[i] + mul1[i]) & _MASK
            mul1[i] ^= (v0[i] & _LOW) * (v1[i] >> 32)
        _zipper(v1, v0, 0)
        _zipper(v1, v0, 2)
        _zipper(v0, v1, 0)
        _zipper(v0, v1, 2)

    def update_rest(self, rest: bytes) -> None:
        size = len(rest)
        self.v0 = [(lane + (size << 32) + size) & _MASK for lane in self.v0]
        self.v1 = [(_rotated32(lane & _LOW, size) | (_rotated32(lane >> 32, size) << 32)) & _MASK for lane in self.v1]
        packet, whole, few = bytearray(32), size & ~3, size & 3
        packet[:whole] = rest[:whole]
        if size & 16:
            packet[28:32] = rest[size - 4 : size]
        elif few:
            packet[16], packet[17], packet[18] = rest[whole], rest[whole + (few >> 1)], rest[whole + few - 1]
        self.update(struct.unpack("<4Q", packet))

    def finish(self) -> int:
        for _ in range(4):
            self.update([_rotated(self.v0[i], 32) for i in (2, 3, 0, 1)])
        return (self.v0[0] + self.v1[0] + self.mul0[0] + self.mul1[0]) & _MASK


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _rotated32(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _LOW if bits else value


def _zipper(source: Sequence[int], target: list[int], at: int) -> None:
    """The reference's ZipperMergeAndAdd."""
    low, high = source[at], source[at + 1]
    target[at] = (
        target[at]
        + (
            (((low & 0xFF000000) | (high & 0xFF00000000)) >> 24)
            | (((low & 0xFF0000000000) | (high & 0xFF000000000000)) >> 16)
            | (low & 0xFF0000)
            | ((low & 0xFF00) << 32)
            | ((high & 0xFF00000000000000) >> 8)
            | (low << 56)
        )
    ) & _MASK
    target[at + 1] = (
        target[at + 1]
        + (
            (((high & 0xFF000000) | (low & 0xFF00000000)) >> 24)
            | (high & 0xFF0000)
            | ((high & 0xFF0000000000) >> 16)
            | ((high & 0xFF00) << 24)
            | ((low & 0xFF000000000000) >> 8)
            | ((high & 0xFF) << 48)
            | (low & 0xFF00000000000000)
        )
    ) & _MASK
