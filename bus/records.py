"""One ledger entry exactly as the stream holds it, its canonical bytes, and its leaf in the tree that the notary signs. Pure.

    u64 sequence | u64 time of storing, ns since 1970 | u32 length, subject | u32 length, headers | u32 length, payload

All integers big-endian. Whoever holds the same entry, read from the stream or from an archive, has the same bytes.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta

import msgspec

from bus.jetstream import StoredMessage

_NUMBERS = struct.Struct(">QQI")
_LENGTH = struct.Struct(">I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAF = b"\x00"
_GAP = b"gap"


class Record(msgspec.Struct, frozen=True, gc=False):
    """A stored message of the ledger."""

    sequence: int
    stored_at_ns: int
    """When the ledger stored it, in nanoseconds since 1970, by the server's clock."""
    subject: str
    """Bytes of it that are no UTF-8 stand as lone surrogates (`surrogateescape`)."""
    headers: bytes
    """The header block as it is stored, from `NATS/1.0` to the empty line; empty where there is none."""
    data: bytes


class RecordError(ValueError):
    """Bytes that are no record."""


def encode_record(record: Record) -> bytes:
    """Return the canonical bytes of a record."""
    subject = record.subject.encode("utf-8", "surrogateescape")
    return b"".join(
        (
            _NUMBERS.pack(record.sequence, record.stored_at_ns, len(subject)),
            subject,
            _LENGTH.pack(len(record.headers)),
            record.headers,
            _LENGTH.pack(len(record.data)),
            record.data,
        )
    )


def decode_record(encoded: bytes | memoryview) -> Record:
    """Return the record whose canonical bytes these are.

    Raises:
        RecordError: they are none: cut short, or with something behind.
    """
    view = memoryview(encoded)
    try:
        sequence, stored_at_ns, length = _NUMBERS.unpack_from(view)
        subject, place = _part(view, _NUMBERS.size, length)
        headers, place = _part(view, place + _LENGTH.size, *_LENGTH.unpack_from(view, place))
        data, place = _part(view, place + _LENGTH.size, *_LENGTH.unpack_from(view, place))
    except struct.error:
        raise RecordError("the record is cut short") from None
    if place != len(view):
        raise RecordError(f"{len(view) - place} bytes stand behind the record")
    return Record(sequence, stored_at_ns, subject.decode("utf-8", "surrogateescape"), headers, data)


def _part(view: memoryview, start: int, length: int) -> tuple[bytes, int]:
    end = start + length
    if end > len(view):
        raise RecordError("the record is cut short")
    return bytes(view[start:end]), end


def leaf_hash(encoded: bytes) -> bytes:
    """Return the hash of a leaf of the tree (RFC 6962, 2.1), SHA-256 of a zero byte and a record's canonical bytes."""
    return hashlib.sha256(_LEAF + encoded).digest()


def gap_leaf(sequence: int) -> bytes:
    """Return the hash of the leaf for a sequence that the stream does not hold; no record's canonical bytes are as short."""
    return leaf_hash(_GAP + sequence.to_bytes(8, "big"))


def parse_headers(raw: bytes) -> dict[str, str]:
    """Return a stored header block as the bus reads headers elsewhere: of a name that stands twice, the last counts."""
    headers = {}
    for line in raw.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return headers


def as_message(record: Record) -> StoredMessage:
    """Return a record in the form in which entries are read (`ops.entries.read_entry`): times to the microsecond."""
    return StoredMessage(
        subject=record.subject.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        sequence=record.sequence,
        stored_at=_EPOCH + timedelta(microseconds=record.stored_at_ns // 1000),
        data=record.data,
        headers=parse_headers(record.headers),
    )
